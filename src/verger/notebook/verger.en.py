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
# A folder of labelled fruit photos becomes a table of a few hundred numbers a photo, on Apache
# Spark:
#
# **read → embed → reduce → look → save.**
#
# `verger run PHOTOS STORE` does all of this in one command, and checks more. This notebook does it
# by hand, with the same pieces (`verger.ml`), so that you can see each step and change it.
#
# It runs top to bottom on a laptop, on JupyterHub and on EMR. It needs Verger with the
# extra `notebook`, on a cluster on the workers too. Only this first cell has to be edited.

# %% tags=["parameters"]
PHOTOS = "verger-demo/photos"  # a folder, or s3://bucket/folder; `verger demo` renders this one
STORE = "verger-demo/store"  # of `verger run`; our results go to STORE/notebook
BACKBONE = "efficientnet-lite0-int8"  # the pretrained network: a name, or an ONNX file
IMAGE_SIZE = 0  # side of the square that it sees, in pixels; 0: as its card says
VIEWS = []  # shorter sides of a photo's views before that square is cut; []: as its card says
SHARE = 1.0  # of the photos: 0.1 takes one in ten, for a first look
KEEP = 0.95  # share of the variance to keep

# %% [markdown]
# ## Spark
#
# Where the kernel brings a session called `spark` (EMR Studio, `pyspark`, many JupyterHubs), it is
# used as it is. Elsewhere Verger starts one in this process, on all cores, with the Java that came
# with pip.
#
# While the notebook is open, Spark's own page (the link below) shows each job. With a *sparkmagic*
# kernel, which computes on a server far away, end each cell that draws with a line `%matplot plt`.

# %%
import io
import re
import time
from contextlib import ExitStack, contextmanager

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image
from pyspark.sql import functions as F

from verger.errors import StoreError
from verger.ml import PCA, Discriminant, PhotoEmbedder
from verger.photos.decode import decode
from verger.photos.labels import labeller_from
from verger.photos.reasons import Reject
from verger.photos.references import EXTENSIONS
from verger.settings import RunSettings
from verger.spark.session import session
from verger.storage.place import place_of, source_of

photos_place = source_of(PHOTOS).absolute()
store_place = place_of(STORE, StoreError).absolute()
# Hadoop, by which Spark reads a bucket, calls S3 s3a.
root, store = (re.sub("^s3:", "s3a:", str(place)) for place in (photos_place, store_place))
out = f"{store}/notebook"

ending = ExitStack()
if "spark" not in globals():
    settings = RunSettings(spark_conf=("spark.ui.enabled=true",))
    spark = ending.enter_context(session(settings))

# Photos travel to the workers in batches; Spark's default of 10,000 rows would be gigabytes.
spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "64")

seconds = {}


@contextmanager
def timed(step):
    start = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - start


def plain(path):
    """Spark takes these characters for patterns."""
    return re.sub(r"([\\\[\]{}*?])", r"\\\1", path)


try:
    print(f"Spark {spark.version}; its page: {spark.sparkContext.uiWebUrl}")
except Exception:  # through Spark Connect, the page is the server's
    print(f"Spark {spark.version}")

# %% [markdown]
# ## 1. Read
#
# Spark's `binaryFile` lists the folder, at any depth. The **label** is the name of the photo's
# folder. Paths are kept relative, so that the table means the same on another machine. Where PHOTOS
# is a list on the web, Verger reads it, and the workers fetch the photos.
#
# Nothing is read yet: a DataFrame is a plan. Counting labels needs paths alone, so no photo is
# opened.

# %%
kinds = [kind.removeprefix(".") for kind in EXTENSIONS]
names = ",".join(kinds + [kind.upper() for kind in kinds])
below = F.col("path").substr(F.locate(root, F.col("path")) + len(root), F.length("path"))
folders = F.split(F.concat(F.lit(f"{photos_place.name}/"), F.col("path")), "/")
if photos_place.scheme in ("http", "https"):

    @F.udf("binary")
    def content(path):
        try:
            return photos_place.read(path)
        except OSError:
            return None

    listed = photos_place.list(labeller_from("parent", photos_place.name))
    rows = [(ref.path, ref.label, ref.bytes) for ref in listed if ref.reason is None]
    photos = spark.createDataFrame(rows, "path string, label string, length long")
    photos = photos.withColumn("content", content("path"))
else:
    photos = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .option("pathGlobFilter", f"*.{{{names}}}")
        .load(plain(root))
        .withColumn("path", F.regexp_replace(below, "^/+", ""))
        .withColumn("label", F.element_at(folders, -2))
    )
photos = photos.where(F.pmod(F.xxhash64("path"), F.lit(1000)) < round(1000 * SHARE))
photos = photos.select("path", "label", "length", "content")
with timed("list"):
    labels = photos.groupBy("label").count().orderBy("label").toPandas()
print(f"{labels['count'].sum():,} photos of {len(labels):,} labels")
labels.head(10)


# %% [markdown]
# Look at the data before anything is computed: a wrong folder or a wrong label shows here, not in a
# metric.


# %%
def show(ax, path, title="", colour="black"):
    try:
        small = decode(photos_place.read(path)).thumbnail
        ax.imshow(Image.open(io.BytesIO(small)))
    except (OSError, Reject):
        ax.text(0.5, 0.5, "?", ha="center", transform=ax.transAxes)
    ax.set_title(title, fontsize=8, color=colour)
    ax.axis("off")


some = (
    photos.groupBy("label").agg(F.min("path").alias("path")).orderBy("label").limit(24).toPandas()
)
columns = min(8, max(len(some), 1))
figure, axes = plt.subplots(
    3, columns, figsize=(1.25 * columns, 4.2), squeeze=False, layout="constrained"
)
for ax in axes.flat:
    ax.axis("off")
for ax, (_, one) in zip(axes.flat, some.iterrows()):
    show(ax, one["path"], str(one["label"])[:20])
figure.suptitle("One photo of each label")
plt.show()

# %% [markdown]
# ## 2. Embed
#
# A network that was trained on ImageNet turns each photo into 1,280 numbers, its **features**. Its
# last layer, which names ImageNet's classes, is left out: what comes before it describes shape,
# colour and texture, and serves for fruit that it never saw. Nothing is trained here.
#
# `PhotoEmbedder` decodes and embeds in the workers; the network is loaded once in each. The result
# is **written to Parquet at once**, and everything after reads it from there: without this, Spark
# would embed all photos again for each step.

# %%
embedder = PhotoEmbedder(inputCol="content", backbone=BACKBONE, imageSize=IMAGE_SIZE, views=VIEWS)
with timed("embed"):
    embedder.transform(photos).drop("content").write.mode("overwrite").parquet(f"{out}/features")
embedded = spark.read.parquet(plain(f"{out}/features"))
features = embedded.where("features is not null").select("path", "label", "features")
count, rejected = features.count(), embedded.where("features is null").count()
print(
    f"{count:,} photos embedded, {rejected:,} rejected, in {seconds['embed']:.1f} s "
    f"({(count + rejected) / seconds['embed']:.0f} photos/s, the workers' start among it)"
)

# %% [markdown]
# ### Rejects
#
# A photo that cannot be read stops nothing: its features are null, and the column `reason` says
# why. Which were they here? And what becomes of files that are broken on purpose?

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
# Many of the 1,280 numbers say the same. **Principal components** are new axes, the first along the
# widest spread of the data, each next one along the widest that is left. How many are needed? As
# many as the **cumulative explained variance** takes to reach the share that you want to keep.
#
# Three traps, which this PCA avoids: data that are not centred when they are projected (MLlib's
# `PCA`), a `k` that is one too small, and more components than the data have: *n* photos give at
# most *n* − 1, and with few photos "99% of the variance" says little.

# %%
with timed("fit"):
    whole_curve = PCA(k=0.995).fit(features).projection
single = whole_curve.explained_variance_ratio
together = np.cumsum(single)


def needed(share):
    return int(np.searchsorted(together, share)) + 1


targets = pd.DataFrame({"share": [0.80, 0.90, 0.95, 0.99]})
targets["components"] = [needed(share) if len(single) else 0 for share in targets["share"]]
targets["smaller"] = [
    f"{whole_curve.components.shape[1] / max(k, 1):.0f} ×" for k in targets["components"]
]
print(f"{whole_curve.rows:,} photos: at most {whole_curve.rank:,} components")
targets

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
axis = np.arange(1, len(single) + 1)
left.semilogy(axis, single, color="tab:green")
left.set(title="Each component", xlabel="component", ylabel="share of the variance")
right.plot(axis, together, color="tab:green")
for share, k in zip(targets["share"], targets["components"]):
    right.plot([0, k, k], [share, share, 0], color="grey", linewidth=0.8, linestyle=":")
    right.annotate(
        f"{100 * share:.0f}%: k = {k}", (k, share), (6, -12), textcoords="offset points", fontsize=9
    )
right.set(title="Together", xlabel="components", ylim=(0, 1.02), xlim=(0, len(single) * 1.15 + 1))
for ax in (left, right):
    ax.grid(alpha=0.25)
plt.show()

# %% [markdown]
# The left curve falls steeply and then flattens: past the bend, a component tells little that is
# common to many photos. Where to cut is a choice: 95% is usual, and 80% takes a fraction of that.
# Which of them still tells the fruit apart, the neighbours below will say: try another `KEEP` at
# the head.
#
# `PCA` takes a share or a number. It is exact, in one pass: each worker adds up means and products
# of its rows, and only these come to the driver.

# %%
pca = PCA(k=KEEP).fit(features)
print(f"k = {pca.projection.k} keeps {sum(pca.explainedVariance):.2%} of the variance")

# %% [markdown]
# PCA does not look at labels. **Discriminant analysis** does: it seeks the axes along which labels
# lie far apart and each label lies close together. With *L* labels there are at most *L* − 1. It is
# what `verger identify` searches.

# %%
model = Discriminant().fit(features) if features.select("label").distinct().count() > 1 else None
with timed("project"):
    matrix = pca.transform(features)
    if model is not None:
        matrix = model.transform(matrix)
    matrix.drop("features").write.mode("overwrite").parquet(f"{out}/matrix")
matrix = spark.read.parquet(plain(f"{out}/matrix"))
matrix.limit(5).toPandas()

# %% [markdown]
# ## 4. Look
#
# For pictures, at most 4,000 rows come to the driver; all others stay in Spark. They are drawn by a
# hash of their path, so that it is the same ones each time.

# %%
rows = matrix.orderBy(F.xxhash64("path")).limit(4000).toPandas()
spaces = {"Principal components (labels unseen)": np.stack(rows["components"])}
if model is not None and model.projection.k > 1:
    spaces["Discriminant directions (labels seen)"] = np.stack(rows["discriminant"])
known = sorted(rows["label"].fillna("").unique())
colours = dict(zip(known, plt.get_cmap("turbo")(np.linspace(0.03, 0.97, len(known)))))

figure, axes = plt.subplots(
    1, len(spaces), figsize=(6.5 * len(spaces), 6), squeeze=False, layout="constrained"
)
for ax, (title, points) in zip(axes.flat, spaces.items()):
    for label in known:
        mine = points[(rows["label"].fillna("") == label).to_numpy()]
        ax.scatter(
            mine[:, 0], mine[:, min(1, mine.shape[1] - 1)], s=14, alpha=0.75, color=colours[label]
        )
        if len(known) <= 40:
            middle = np.median(mine, axis=0)
            place = middle[0], middle[min(1, len(middle) - 1)]
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.6, "pad": 0.4}
            ax.annotate(label[:20], place, fontsize=7, ha="center", va="center", bbox=box)
    ax.set(title=title, xlabel="1", ylabel="2")
    ax.grid(alpha=0.2)
plt.show()

# %% [markdown]
# Two axes of many: what overlaps here may lie apart along the third. So ask the neighbours, which
# see all axes. **Purity** is the share of a photo's nearest neighbours (by cosine) that carry its
# label. If it is as high after reduction as before, nothing that matters was lost.

# %%
original = features.join(F.broadcast(spark.createDataFrame(rows[["path"]])), "path").toPandas()
original = original.set_index("path").loc[rows["path"]]


def nearest(points, neighbours=5):
    unit = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    return np.argsort(-alike, axis=1)[:, : min(neighbours, len(points) - 1)]


label_of = rows["label"].fillna("").to_numpy()
near = {"Features": nearest(np.stack(original["features"]))}
near |= {title: nearest(points) for title, points in spaces.items()}
same = {title: label_of[found] == label_of[:, None] for title, found in near.items()}
pd.DataFrame(
    [(title, pairs.mean()) for title, pairs in same.items()], columns=["space", "purity"]
).style.format({"purity": "{:.1%}"}).hide()

# %% [markdown]
# Discriminant directions were fitted to these very photos, so their purity here flatters them;
# `verger evaluate` measures on photos that were held out. Which labels are hardest, and what do
# their neighbours look like? Red names are of another label.

# %%
title = next(iter(spaces))
purity = pd.Series(same[title].mean(axis=1)).groupby(label_of).mean().sort_values()
lonely = np.argsort(same[title].mean(axis=1), kind="stable")
asked = [next(row for row in lonely if label_of[row] == label) for label in purity.index[:4]]
figure, axes = plt.subplots(
    len(asked), 6, figsize=(8, 1.5 * len(asked)), squeeze=False, layout="constrained"
)
for line, row in zip(axes, asked):
    for ax in line:
        ax.axis("off")
    show(line[0], rows["path"][row], f"{label_of[row][:20]} ({purity[label_of[row]]:.0%})")
    for ax, other in zip(line[1:], near[title][row]):
        right = label_of[other] == label_of[row]
        show(ax, rows["path"][other], label_of[other][:20], "black" if right else "tab:red")
figure.suptitle("Left, a photo of a label with low purity; then its nearest neighbours")
plt.show()

# %% [markdown]
# ## 5. Save
#
# The matrix lies in Parquet already: typed, compressed, read by pandas, DuckDB, polars and Spark.
# CSV knows no lists, so each component becomes a column; one partition makes one file with one
# header. The models are saved as JSON and arrays, without pickle, and load again in any session:
# new photos can be placed in the same space.

# %%
flat = [F.col("components")[at].alias(f"pc{at + 1}") for at in range(pca.projection.k)]
with timed("save"):
    table = matrix.select("path", "label", *flat).orderBy("path").coalesce(1)
    table.write.mode("overwrite").option("header", "true").csv(f"{out}/matrix.csv")
    pca.write().overwrite().save(f"{out}/pca")
    if model is not None:
        model.write().overwrite().save(f"{out}/discriminant")
print(f"{STORE}/notebook: features, matrix, matrix.csv, pca" + (", discriminant" if model else ""))

# %% [markdown]
# ### Is it right?
#
# Rows in = rows out; columns that are centred; and the same features as `verger run` left in STORE,
# where that run used this network on these photos.

# %%
assert matrix.count() == count, "rows were lost"
means = matrix.select([F.avg(F.col("components")[at]) for at in range(pca.projection.k)]).first()
checks = [("rows", f"{matrix.count():,} of {count:,}")]
checks.append(("largest mean of a column", f"{max(map(abs, means), default=0):.1e}"))
files = [f"{store}/{file}" for file in store_place.files("features", ".parquet")]
if files:
    run = spark.read.parquet(*map(plain, files)).select("path", F.col("features").alias("theirs"))
    both = features.join(run, "path").limit(1000).toPandas()
    if len(both):
        far = np.abs(np.stack(both["features"]) - np.stack(both["theirs"])).max()
        checks.append((f"largest difference from verger run ({len(both):,} photos)", f"{far:.1e}"))
pd.DataFrame(checks, columns=["check", "result"]).style.hide()

# %%
pd.DataFrame(
    [(step, round(took, 1)) for step, took in seconds.items()], columns=["step", "seconds"]
)

# %% [markdown]
# ## Where to go from here
#
# ```
# verger report STORE               # one page: map, duplicates, wrong labels, outliers, drift
# verger identify STORE PHOTO.jpg   # what fruit is this?
# verger serve STORE                # the same as a web page
# ```
#
# A session that this notebook started ends here; one that it was given goes on.

# %%
ending.close()
