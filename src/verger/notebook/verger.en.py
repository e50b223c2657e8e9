# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From photos to a reduced matrix, step by step
#
# A folder of labelled fruit photos becomes a table of a few hundred numbers per photo, on Apache
# Spark:
#
# **read → embed → reduce → look → save.**
#
# `verger run PHOTOS STORE` does all of this in one command, and checks more. This notebook does
# it by hand, with the same building blocks (`verger.ml`), so that you can see each step and
# change it.
#
# It runs top to bottom on a laptop, on JupyterHub and on EMR. It needs Verger with the extra
# `notebook`; on a cluster, on the workers too. You only have to edit the first cell.

# %% tags=["parameters"]
PHOTOS = "verger-demo/photos"  # a folder, or s3://bucket/folder; `verger demo` renders this one
STORE = "verger-demo/store"  # of `verger run`; our results go to STORE/notebook
BACKBONE = "efficientnet-lite0-int8"  # the pretrained network: a name, or an ONNX file
IMAGE_SIZE = 0  # side of the square that it sees, in pixels; 0: as its card says
VIEWS = []  # shorter sides of a photo's views before that square is cut; []: as its card says
SHARE = 1.0  # of the photos: 0.1 takes one in ten, for a first look
KEEP = 0.95  # share of the variance to keep, or how many components
STANDARDIZE = False  # divide each feature by its standard deviation first

# %% [markdown]
# ## Spark
#
# If the kernel brings a session called `spark` (EMR Studio, `pyspark`, many JupyterHubs), the
# notebook uses it. Otherwise Verger starts one in this process, on all cores, with the Java that
# came with pip.
#
# While the notebook is open, the Spark UI (the link below) shows each job. With a *sparkmagic*
# kernel, which computes on a remote server, end each cell that draws with the line `%matplot
# plt`.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from pyspark.sql import functions as F

from verger.ml import PCA, Discriminant, PhotoEmbedder
from verger.notebook.look import ACCENT, FAINT, INK, SECOND, dress, scatter, short, show
from verger.report.neighbours import NEIGHBOURS, nearest, purity, purity_by_label
from verger.spark.desk import Desk
from verger.texts.numbers import Numbers

dress()
say = Numbers("en")
desk = Desk(PHOTOS, STORE, globals().get("spark"))
spark = desk.spark
print(desk)

# %% [markdown]
# ## 1. Read
#
# Spark's `binaryFile` lists the folder, at any depth. The **label** is the name of the photo's
# folder. Paths are kept relative, so that the table means the same on another machine. If PHOTOS
# is a list on the web, Verger reads it, and the workers fetch the photos. Corrections made with
# `verger relabel` count here, too.
#
# Nothing is read yet: a DataFrame is a plan. Counting labels needs only paths, so no photo is
# opened.

# %%
if desk.is_a_list:
    photos = desk.fetched()
else:
    photos = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .option("pathGlobFilter", desk.kinds)
        .load(desk.folder)
        .withColumn("path", desk.below("path"))
        .withColumn("label", desk.label("path"))
    )
photos = photos.where(F.pmod(F.xxhash64("path"), F.lit(1000)) < round(1000 * SHARE))
photos = desk.corrected(photos.select("path", "label", "length", "content"))
with desk.timed("list"):
    labels = photos.groupBy("label").count().orderBy("label").toPandas()
print(f"{say.number(labels['count'].sum())} photos of {say.number(len(labels))} labels")
labels.head(10)


# %% [markdown]
# Look at the data before computing anything: a wrong folder or a wrong label shows here, not in a
# metric.

# %%
some = (
    photos.groupBy("label").agg(F.min("path").alias("path")).orderBy("label").limit(24).toPandas()
)
columns = min(8, max(len(some), 1))
figure, axes = plt.subplots(3, columns, figsize=(1.25 * columns, 4.2), squeeze=False)
for ax in axes.flat:
    ax.axis("off")
for ax, (_, one) in zip(axes.flat, some.iterrows()):
    show(ax, desk.photos, one["path"], one["label"])
figure.suptitle("One photo of each label")
plt.show()

# %% [markdown]
# ## 2. Embed
#
# A network trained on ImageNet turns each photo into 1,280 numbers, its **features**. Its last
# layer, which names ImageNet's classes, is left out: the layers before it describe shape, colour
# and texture, and also work for fruit that it never saw. Nothing is trained here: this is
# transfer learning.
#
# `PhotoEmbedder` decodes and embeds in the workers. The result is **written to Parquet at once**,
# and all later steps read it from there: otherwise Spark would embed all photos again for each
# step.

# %%
embedder = PhotoEmbedder(inputCol="content", backbone=BACKBONE, imageSize=IMAGE_SIZE, views=VIEWS)
with desk.timed("embed"):
    embedder.transform(photos).drop("content").write.mode("overwrite").parquet(desk.at("features"))
embedded = desk.read("features")
features = embedded.where("features is not null").select("path", "label", "features")
count, rejected = features.count(), embedded.where("features is null").count()
took = desk.seconds["embed"]
print(
    f"{say.number(count)} photos embedded, {say.number(rejected)} rejected, in {say.seconds(took)} "
    f"({say.number((count + rejected) / took)} photos/s, including the workers' start)"
)

# %% [markdown]
# ### How do the weights reach the workers?
#
# Courses **broadcast** them: the driver reads the network, and Spark sends its bytes to each
# executor. Here they do not travel at all. The network is a file of the package, which is
# installed on every machine anyway; each worker process checks its SHA-256 and opens it **once**,
# and keeps it for all its photos. A broadcast is right if only the driver has the network; a file
# of your own has to be where every worker can read it. This is what each way takes here:

# %%
ways = {"package": "from the package, once per process", "broadcast": "by broadcast, to one worker"}
measured = desk.weights(BACKBONE)
pd.DataFrame(
    [(ways[way], say.number(sent, 1), say.number(took, 2)) for way, sent, took in measured],
    columns=["way", "MB that travel", "seconds"],
).style.hide()

# %% [markdown]
# ### Rejects
#
# A photo that cannot be read does not stop anything: its features are null, and the column
# `reason` says why. Which photos were rejected here? And what happens to files broken on purpose?

# %%
embedded.where("reason is not null").select("path", "reason").limit(10).toPandas()

# %%
whole = bytes(photos.select("content").first()["content"])
broken = [
    ("cut off", whole[: len(whole) // 2]),
    ("empty", b""),
    ("a text", b"no photo"),
    ("whole", whole),
]
embedder.transform(spark.createDataFrame(broken, "file string, content binary")).select(
    "file",
    "reason",
    F.when(F.col("features").isNull(), 0).otherwise(F.size("features")).alias("values"),
).toPandas()

# %% [markdown]
# ## 3. Reduce
#
# Many of the 1,280 numbers say the same thing. **Principal components** are new axes: the first
# in the direction in which the data vary most, each next one in the direction of the largest
# variance that is left. How many do you need? As many as it takes for the **cumulative explained
# variance** to reach the share that you want to keep.
#
# This PCA avoids three traps: projecting data that are not centred (as MLlib's `PCA` does), a `k`
# that is one too small, and more components than the data have. *n* photos give at most *n* − 1,
# and with few photos "99% of the variance" says little.

# %%
with desk.timed("fit"):
    whole_curve = PCA(k=0.995, standardize=STANDARDIZE).fit(features).projection
single = whole_curve.explained_variance_ratio
together = np.cumsum(single)


def needed(share):
    return int(np.searchsorted(together, share)) + 1


targets = pd.DataFrame({"share": [0.80, 0.90, 0.95, 0.99]})
targets["components"] = [needed(share) if len(single) else 0 for share in targets["share"]]
targets["smaller"] = [
    f"{whole_curve.components.shape[1] / max(k, 1):.0f} ×" for k in targets["components"]
]
print(f"{say.number(whole_curve.rows)} photos: at most {say.number(whole_curve.rank)} components")
targets

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8))
axis = np.arange(1, len(single) + 1)
left.semilogy(axis, single, color=ACCENT)
left.set(title="Each component", xlabel="component", ylabel="share of the variance")
right.plot(axis, together, color=ACCENT)
for share, k in zip(targets["share"], targets["components"]):
    right.plot([0, k, k], [share, share, 0], color=SECOND, linewidth=1, linestyle=":")
    right.annotate(
        f"{say.exact(share)}: k = {k}", (k, share), (6, -12), textcoords="offset points", fontsize=9
    )
right.set(title="Together", xlabel="components", ylim=(0, 1.02), xlim=(0, len(single) * 1.15 + 1))
right.yaxis.set_major_formatter(lambda share, _: say.percent(share, 0))
plt.show()

# %% [markdown]
# The left curve falls steeply and then flattens: past the bend, a component says little that many
# photos share. Where to cut is a choice: 95% is usual, and 80% takes a fraction of the
# components. The neighbours below will show which of them still tells the fruit apart: try
# another `KEEP` in the first cell.
#
# `PCA` takes a share or a number. It is exact, in one pass: each worker adds up means and
# products of its rows, and only these sums reach the driver.

# %%
pca = PCA(k=KEEP, standardize=STANDARDIZE).fit(features)
print(f"k = {pca.projection.k} keeps {say.percent(sum(pca.explainedVariance))} of the variance")

# %% [markdown]
# PCA does not look at labels. **Discriminant analysis** does: it looks for axes along which
# labels are far apart while photos of one label are close together. With *L* labels there are at
# most *L* − 1. This is the space that `verger identify` searches.

# %%
model = Discriminant().fit(features) if features.select("label").distinct().count() > 1 else None
with desk.timed("project"):
    matrix = pca.transform(features)
    if model is not None:
        matrix = model.transform(matrix)
    matrix.drop("features").orderBy("path").write.mode("overwrite").parquet(desk.at("matrix"))
matrix = desk.read("matrix")
matrix.limit(5).toPandas()

# %% [markdown]
# ## 4. Look
#
# For pictures, at most 4,000 rows come to the driver; all others stay in Spark. They are chosen
# by a hash of their path, so they are the same each time.

# %%
rows = matrix.orderBy(F.xxhash64("path")).limit(4000).toPandas()
spaces = {"Principal components (labels unseen)": np.stack(rows["components"])}
if model is not None and model.projection.k > 1:
    spaces["Discriminant directions (labels seen)"] = np.stack(rows["discriminant"])

figure, axes = plt.subplots(1, len(spaces), figsize=(6.5 * len(spaces), 6), squeeze=False)
labels = [label or None for label in rows["label"].fillna("")]
for ax, (title, points) in zip(axes.flat, spaces.items()):
    scatter(ax, points, labels, say.language)
    ax.set(title=title, xlabel="1", ylabel="2")
plt.show()

# %% [markdown]
# These are two axes of many: photos that overlap here may be apart along the third. So ask the
# neighbours, which see all axes. **Purity** is the share of a photo's ten nearest neighbours (by
# cosine) that carry its label, by the report's definition and function. If it is as high after
# reduction as before, nothing that matters was lost.

# %%
original = features.join(F.broadcast(spark.createDataFrame(rows[["path"]])), "path").toPandas()
original = original.set_index("path").loc[rows["path"]]


codes = pd.Categorical(labels).codes.astype(np.int64)  # -1 where there is no label
names = list(pd.Categorical(labels).categories)
near = {"Features": nearest(np.stack(original["features"]))}
near |= {title: nearest(points) for title, points in spaces.items()}
purities = {title: purity(found, codes) for title, found in near.items()}
pd.DataFrame(
    [(title, say.percent(np.nanmean(shares))) for title, shares in purities.items()],
    columns=["space", f"purity of {NEIGHBOURS}"],
).style.hide()

# %% [markdown]
# Discriminant directions were fitted to these very photos, so this purity flatters them; `verger
# evaluate` measures on held-out photos. Which labels are hardest, and what do their neighbours
# look like? Names in orange belong to another label.

# %%
title = next(iter(spaces))
by_label = np.array(purity_by_label(purities[title], codes, len(names)))
hardest = np.argsort(by_label, kind="stable")[:4]
order = np.argsort(purities[title], kind="stable")
asked = [next(row for row in order if codes[row] == code) for code in hardest]
figure, axes = plt.subplots(
    max(len(asked), 1), 7, figsize=(9, 1.5 * max(len(asked), 1)), squeeze=False
)
for ax in axes.flat:
    ax.axis("off")
for line, row in zip(axes, asked):
    told = f"{short(names[codes[row]])} ({say.percent(by_label[codes[row]])})"
    show(line[0], desk.photos, rows["path"][row], told)
    for ax, other in zip(line[1:], near[title].index[row]):
        same = codes[other] == codes[row]
        show(ax, desk.photos, rows["path"][other], labels[other], INK if same else SECOND)
figure.suptitle("Left, a photo of a label with low purity; then its nearest neighbours")
plt.show()

# %% [markdown]
# ## 5. Save
#
# The matrix is already in Parquet: typed, compressed, read by pandas, DuckDB, polars and Spark.
# CSV has no lists, so each component becomes a column; it is one file with one header, in order
# of path, as `verger run` writes it. The models are saved as JSON and arrays, without pickle, and
# load again in any session, so new photos can be projected into the same space.

# %%
with desk.timed("save"):
    desk.write_csv("matrix.csv", "matrix", pca.projection.k)
    pca.write().overwrite().save(desk.at("pca"))
    if model is not None:
        model.write().overwrite().save(desk.at("discriminant"))
print(f"{STORE}/notebook: features, matrix, matrix.csv, pca" + (", discriminant" if model else ""))

# %% [markdown]
# ### Is it right?
#
# Rows in = rows out; the columns are centred; and the features are those that `verger run` left
# in STORE, if that run used this network on these photos.

# %%
assert matrix.count() == count, "rows were lost"
means = matrix.select([F.avg(F.col("components")[at]) for at in range(pca.projection.k)]).first()
checks = [("rows", f"{say.number(matrix.count())} of {say.number(count)}")]
checks.append(("largest mean of a column", say.power(max(map(abs, means), default=0))))
run = desk.of_run("features")
if run is not None:
    run = run.select("path", F.col("features").alias("theirs"))
    both = features.join(run, "path").limit(1000).toPandas()
    if len(both):
        far = np.abs(np.stack(both["features"]) - np.stack(both["theirs"])).max()
        checks.append(("largest difference from verger run", say.power(far)))
pd.DataFrame(checks, columns=["check", "result"]).style.hide()

# %%
figure, ax = plt.subplots(figsize=(7, 0.4 * len(desk.seconds) + 0.4))
steps = list(desk.seconds)[::-1]
ax.barh(steps, [desk.seconds[step] for step in steps], color=ACCENT)
for step in steps:
    ax.annotate(
        say.seconds(desk.seconds[step]), (desk.seconds[step], step), (5, 0),
        textcoords="offset points", va="center", fontsize=9, color=INK,
    )  # fmt: skip
ax.grid(visible=False)
ax.set(title="Where the time went", xticks=[])
ax.spines[:].set_color(FAINT)
plt.show()

# %% [markdown]
# ## Where to go from here
#
# ```
# verger report STORE               # one page: map, duplicates, wrong labels, outliers, drift
# verger identify STORE PHOTO.jpg   # what fruit is this?
# verger serve STORE                # the same as a web page
# ```
#
# A session that this notebook started ends here; one that it was given stays open.

# %%
desk.close()
