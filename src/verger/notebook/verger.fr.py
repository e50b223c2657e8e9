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
# # Des photos à une matrice réduite, pas à pas
#
# Un dossier de photos de fruits étiquetées devient un tableau de quelques centaines de nombres par
# photo, avec Apache Spark :
#
# **lire → encoder → réduire → regarder → enregistrer.**
#
# `verger run PHOTOS STORE` fait tout cela en une commande, et contrôle davantage. Ce notebook le
# fait à la main, avec les mêmes pièces (`verger.ml`), pour que vous voyiez chaque étape et puissiez
# la changer.
#
# Il s'exécute de haut en bas sur un portable, sur JupyterHub et sur EMR. Il lui faut `pip install
# 'verger[notebook]'`, et sur un cluster aussi chez les *workers*. Seule cette première cellule est
# à modifier.

# %% tags=["parameters"]
PHOTOS = "verger-demo/photos"  # un dossier, ou s3://seau/dossier ; `verger demo` dessine celui-ci
STORE = "verger-demo/store"  # celui de `verger run` ; nos résultats vont dans STORE/notebook
BACKBONE = "efficientnet-lite0"  # le réseau préentraîné : un nom, ou un fichier ONNX
SHARE = 1.0  # des photos : 0.1 en prend une sur dix, pour un premier regard
KEEP = 0.95  # part de la variance à garder

# %% [markdown]
# ## Spark
#
# Là où le noyau apporte une session nommée `spark` (EMR Studio, `pyspark`, bien des JupyterHub),
# elle est prise telle quelle. Ailleurs, Verger en démarre une dans ce processus, sur tous les
# cœurs, avec le Java venu avec pip.
#
# Tant que le notebook est ouvert, la page de Spark (le lien ci-dessous) montre chaque *job*. Avec
# un noyau *sparkmagic*, qui calcule sur un serveur lointain, terminez chaque cellule qui dessine
# par une ligne `%matplot plt`.

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

from verger.errors import PhotosError, StoreError
from verger.ml import PCA, Discriminant, PhotoEmbedder
from verger.photos.decode import decode
from verger.photos.reasons import Reject
from verger.settings import RunSettings
from verger.spark.session import session
from verger.storage.place import place_of

photos_place = place_of(PHOTOS, PhotosError).absolute()
store_place = place_of(STORE, StoreError).absolute()
# Hadoop, by which Spark reads a bucket, calls S3 s3a.
root, store = (re.sub("^s3:", "s3a:", str(place)) for place in (photos_place, store_place))
out = f"{store}/notebook"

ending = ExitStack()
if "spark" not in globals():
    settings = RunSettings(spark_conf=("spark.ui.enabled=true",))
    spark = ending.enter_context(session(settings))

# Les photos vont aux workers par lots ; 10 000 lignes, l'usage de Spark, feraient des Go.
spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "64")

seconds = {}


@contextmanager
def timed(step):
    start = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - start


def plain(path):
    """Spark prend ces caractères pour des motifs."""
    return re.sub(r"([\\\[\]{}*?])", r"\\\1", path)


try:
    print(f"Spark {spark.version} ; sa page : {spark.sparkContext.uiWebUrl}")
except Exception:  # par Spark Connect, la page est celle du serveur
    print(f"Spark {spark.version}")

# %% [markdown]
# ## 1. Lire
#
# `binaryFile`, de Spark, parcourt le dossier à toute profondeur. L'**étiquette** est le nom du
# dossier de la photo. Les chemins restent relatifs : le tableau dit la même chose sur une autre
# machine.
#
# Rien n'est encore lu : un DataFrame est un plan. Compter les étiquettes ne demande que les chemins
#  ; aucune photo n'est ouverte.

# %%
kinds = ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif", "heic", "avif"]
names = ",".join(kinds + [kind.upper() for kind in kinds])
below = F.col("path").substr(F.locate(root, F.col("path")) + len(root), F.length("path"))
folders = F.split(F.concat(F.lit(f"{photos_place.name}/"), F.col("path")), "/")
photos = (
    spark.read.format("binaryFile")
    .option("recursiveFileLookup", "true")
    .option("pathGlobFilter", f"*.{{{names}}}")
    .load(plain(root))
    .withColumn("path", F.regexp_replace(below, "^/+", ""))
    .withColumn("label", F.element_at(folders, -2))
    .where(F.pmod(F.xxhash64("path"), F.lit(1000)) < round(1000 * SHARE))
    .select("path", "label", "length", "content")
)
with timed("lister"):
    labels = photos.groupBy("label").count().orderBy("label").toPandas()
print(f"{labels['count'].sum():,} photos, {len(labels):,} étiquettes")
labels.head(10)


# %% [markdown]
# Regardez les données avant tout calcul : un mauvais dossier, une mauvaise étiquette se voient ici,
# pas dans une mesure.


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
figure.suptitle("Une photo par étiquette")
plt.show()

# %% [markdown]
# ## 2. Encoder
#
# Un réseau entraîné sur ImageNet change chaque photo en 1 280 nombres, ses **caractéristiques**
# (*features*). Sa dernière couche, qui nomme les classes d'ImageNet, est laissée de côté : ce qui
# la précède décrit forme, couleur et texture, et sert pour des fruits qu'il n'a jamais vus. Rien
# n'est entraîné ici : c'est l'apprentissage par transfert.
#
# `PhotoEmbedder` décode et encode chez les *workers* ; chacun charge le réseau une seule fois. Le
# résultat est **écrit aussitôt en Parquet**, et toute la suite le relit de là : sinon, Spark
# encoderait de nouveau toutes les photos à chaque étape.

# %%
embedder = PhotoEmbedder(inputCol="content", backbone=BACKBONE)
with timed("encoder"):
    embedder.transform(photos).drop("content").write.mode("overwrite").parquet(f"{out}/features")
embedded = spark.read.parquet(plain(f"{out}/features"))
features = embedded.where("features is not null").select("path", "label", "features")
count, rejected = features.count(), embedded.where("features is null").count()
print(
    f"{count:,} photos encodées, {rejected:,} rejetées, en {seconds['encoder']:.1f} s "
    f"({(count + rejected) / seconds['encoder']:.0f} photos/s, démarrage des workers compris)"
)

# %% [markdown]
# ### Les rejets
#
# Une photo illisible n'arrête rien : ses caractéristiques sont nulles, et la colonne `reason` dit
# pourquoi. Lesquelles ici ? Et que deviennent des fichiers abîmés exprès ?

# %%
embedded.where("reason is not null").select("path", "reason").limit(10).toPandas()

# %%
whole = bytes(photos.select("content").first()["content"])
broken = [
    ("coupé", whole[: len(whole) // 2]),
    ("vide", b""),
    ("un texte", b"no photo"),
    ("entier", whole),
]
embedder.transform(spark.createDataFrame(broken, "fichier string, content binary")).select(
    "fichier",
    "reason",
    F.when(F.col("features").isNull(), 0).otherwise(F.size("features")).alias("nombres"),
).toPandas()

# %% [markdown]
# ## 3. Réduire
#
# Beaucoup des 1 280 nombres disent la même chose. Les **composantes principales** sont de nouveaux
# axes : le premier le long de la plus grande dispersion des données, chaque suivant le long de la
# plus grande qui reste. Combien en faut-il ? Autant qu'il en faut à la **variance expliquée
# cumulée** pour atteindre la part que l'on veut garder.
#
# Trois pièges que cette ACP évite : des données non centrées à la projection (la `PCA` de MLlib),
# un `k` trop petit d'une unité, et plus de composantes que les données n'en ont : *n* photos en
# donnent au plus *n* − 1, et avec peu de photos « 99 % de la variance » ne dit pas grand-chose.

# %%
with timed("ajuster"):
    whole_curve = PCA(k=0.995).fit(features).projection
single = whole_curve.explained_variance_ratio
together = np.cumsum(single)


def needed(share):
    return int(np.searchsorted(together, share)) + 1


targets = pd.DataFrame({"part": [0.80, 0.90, 0.95, 0.99]})
targets["composantes"] = [needed(share) if len(single) else 0 for share in targets["part"]]
targets["réduction"] = [
    f"{whole_curve.components.shape[1] / max(k, 1):.0f} ×" for k in targets["composantes"]
]
print(f"{whole_curve.rows:,} photos : au plus {whole_curve.rank:,} composantes")
targets

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
axis = np.arange(1, len(single) + 1)
left.semilogy(axis, single, color="tab:green")
left.set(title="Chaque composante", xlabel="composante", ylabel="part de la variance")
right.plot(axis, together, color="tab:green")
for share, k in zip(targets["part"], targets["composantes"]):
    right.plot([0, k, k], [share, share, 0], color="grey", linewidth=0.8, linestyle=":")
    right.annotate(
        f"{100 * share:.0f} % : k = {k}",
        (k, share),
        (6, -12),
        textcoords="offset points",
        fontsize=9,
    )
right.set(title="Cumulée", xlabel="composantes", ylim=(0, 1.02), xlim=(0, len(single) * 1.15 + 1))
for ax in (left, right):
    ax.grid(alpha=0.25)
plt.show()

# %% [markdown]
# La courbe de gauche tombe vite, puis s'aplatit : passé le coude, une composante ne dit plus
# grand-chose qui soit commun à beaucoup de photos. Où couper est un choix : 95 % est usuel, 80 % en
# demande une fraction. Laquelle distingue encore les fruits, les voisins le diront plus bas :
# essayez un autre `KEEP` en tête.
#
# `PCA` prend une part ou un nombre. Elle est exacte, en une passe : chaque *worker* additionne
# moyennes et produits de ses lignes, et ces sommes seules vont au pilote (*driver*).

# %%
pca = PCA(k=KEEP).fit(features)
print(f"k = {pca.projection.k} garde {sum(pca.explainedVariance):.2%} de la variance")

# %% [markdown]
# L'ACP ne regarde pas les étiquettes. L'**analyse discriminante**, si : elle cherche les axes le
# long desquels les étiquettes sont loin les unes des autres, et chacune resserrée. Pour *L*
# étiquettes il y en a au plus *L* − 1. C'est là que `verger identify` cherche.

# %%
model = Discriminant().fit(features) if features.select("label").distinct().count() > 1 else None
with timed("projeter"):
    matrix = pca.transform(features)
    if model is not None:
        matrix = model.transform(matrix)
    matrix.drop("features").write.mode("overwrite").parquet(f"{out}/matrix")
matrix = spark.read.parquet(plain(f"{out}/matrix"))
matrix.limit(5).toPandas()

# %% [markdown]
# ## 4. Regarder
#
# Pour les images, au plus 4 000 lignes viennent au pilote ; les autres restent dans Spark. Elles
# sont tirées selon l'empreinte de leur chemin : ce sont les mêmes à chaque fois.

# %%
rows = matrix.orderBy(F.xxhash64("path")).limit(4000).toPandas()
spaces = {"Composantes principales (sans les étiquettes)": np.stack(rows["components"])}
if model is not None and model.projection.k > 1:
    spaces["Directions discriminantes (avec les étiquettes)"] = np.stack(rows["discriminant"])
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
# Deux axes parmi beaucoup : ce qui se recouvre ici peut être séparé le long du troisième. Demandons
# donc aux voisins, qui voient tous les axes. La **pureté** est la part des plus proches voisins
# d'une photo (par cosinus) qui portent son étiquette. Si elle est aussi haute après réduction
# qu'avant, rien d'important n'a été perdu.

# %%
original = features.join(F.broadcast(spark.createDataFrame(rows[["path"]])), "path").toPandas()
original = original.set_index("path").loc[rows["path"]]


def nearest(points, neighbours=5):
    unit = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    return np.argsort(-alike, axis=1)[:, : min(neighbours, len(points) - 1)]


label_of = rows["label"].fillna("").to_numpy()
near = {"Caractéristiques": nearest(np.stack(original["features"]))}
near |= {title: nearest(points) for title, points in spaces.items()}
same = {title: label_of[found] == label_of[:, None] for title, found in near.items()}
pd.DataFrame(
    [(title, pairs.mean()) for title, pairs in same.items()], columns=["espace", "pureté"]
).style.format({"pureté": "{:.1%}"}).hide()

# %% [markdown]
# Les directions discriminantes ont été ajustées à ces photos mêmes : leur pureté les flatte ici ;
# `verger evaluate` mesure sur des photos mises de côté. Quelles étiquettes sont les plus
# difficiles, et à quoi ressemblent leurs voisins ? Les noms en rouge sont ceux d'une autre
# étiquette.

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
figure.suptitle("À gauche, une photo d'une étiquette peu pure ; puis ses plus proches voisines")
plt.show()

# %% [markdown]
# ## 5. Enregistrer
#
# La matrice est déjà en Parquet : typée, comprimée, lue par pandas, DuckDB, polars et Spark. CSV ne
# connaît pas les listes : chaque composante devient une colonne ; une seule partition fait un seul
# fichier et un seul en-tête. Les modèles sont enregistrés en JSON et tableaux, sans pickle, et se
# rechargent dans toute session : de nouvelles photos se placent dans le même espace.

# %%
flat = [F.col("components")[at].alias(f"pc{at + 1}") for at in range(pca.projection.k)]
with timed("enregistrer"):
    table = matrix.select("path", "label", *flat).orderBy("path").coalesce(1)
    table.write.mode("overwrite").option("header", "true").csv(f"{out}/matrix.csv")
    pca.write().overwrite().save(f"{out}/pca")
    if model is not None:
        model.write().overwrite().save(f"{out}/discriminant")
print(f"{STORE}/notebook: features, matrix, matrix.csv, pca" + (", discriminant" if model else ""))

# %% [markdown]
# ### Est-ce juste ?
#
# Autant de lignes en sortie qu'en entrée ; des colonnes centrées ; et les mêmes caractéristiques
# que `verger run` a laissées dans STORE, si cette exécution a pris ce réseau et ces photos.

# %%
assert matrix.count() == count, "des lignes ont été perdues"
means = matrix.select([F.avg(F.col("components")[at]) for at in range(pca.projection.k)]).first()
checks = [("lignes", f"{matrix.count():,} sur {count:,}")]
checks.append(("plus grande moyenne d'une colonne", f"{max(map(abs, means), default=0):.1e}"))
files = [f"{store}/{file}" for file in store_place.files("features", ".parquet")]
if files:
    run = spark.read.parquet(*map(plain, files)).select("path", F.col("features").alias("theirs"))
    both = features.join(run, "path").limit(1000).toPandas()
    if len(both):
        far = np.abs(np.stack(both["features"]) - np.stack(both["theirs"])).max()
        checks.append((f"plus grand écart avec verger run ({len(both):,} photos)", f"{far:.1e}"))
pd.DataFrame(checks, columns=["contrôle", "résultat"]).style.hide()

# %%
pd.DataFrame(
    [(step, round(took, 1)) for step, took in seconds.items()], columns=["étape", "secondes"]
)

# %% [markdown]
# ## Et ensuite ?
#
# ```
# verger report STORE               # une page : carte, doublons, étiquettes douteuses, dérive
# verger identify STORE PHOTO.jpg   # quel est ce fruit ?
# verger serve STORE                # la même question sur une page web
# ```
#
# Une session que ce notebook a démarrée s'arrête ici ; une session qu'on lui a donnée continue.

# %%
ending.close()
