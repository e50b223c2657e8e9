"""The pyspark.ml face: the contract in full, MLlib as an oracle, one pass over the data."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.feature import PCA as MLlibPCA  # noqa: N811
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.functions import array_to_vector
from pyspark.ml.regression import LinearRegression
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from verger.demo.render import render_orchard
from verger.errors import StoreError, UsageError, VergerError
from verger.ml import PCA, Discriminant, DiscriminantModel, PCAModel, PhotoEmbedder
from verger.projections.moments import Moments, root_unit
from verger.projections.pca import fit_pca
from verger.settings import RunSettings
from verger.spark.ml.columns import width_ahead
from verger.spark.moment_chunks import _partitions
from verger.spark.session import session

pytestmark = pytest.mark.spark

N, D = 120, 10


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    with session(RunSettings(cores=2), short=True) as started:
        yield started


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(N, D)) * np.geomspace(5, 0.1, D) + 3).astype(np.float32)


@pytest.fixture(scope="module")
def table(
    spark: SparkSession, rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> DataFrame:
    folder = tmp_path_factory.mktemp("table")
    labels = [None if i % 10 == 9 else f"label {i % 3}" for i in range(N)]
    for part in range(4):
        mine = slice(part * 30, part * 30 + 30)
        arrow = pa.table(
            {
                "row": np.arange(N)[mine],
                "label": labels[mine],
                "features": pa.array(list(rows[mine]), pa.list_(pa.float32())),
            }
        )
        pq.write_table(arrow, folder / f"{part}.parquet")
    return spark.read.parquet(str(folder))


@pytest.fixture(scope="module")
def orchard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("orchard")
    render_orchard(folder, varieties=3, views=3, test_views=1)
    return folder


def column(table: DataFrame, name: str) -> np.ndarray:
    return np.array([list(row[0]) for row in table.orderBy("row").select(name).collect()])


@pytest.mark.any_spark
@pytest.mark.parametrize("kind", ["array<float>", "array<double>", "vector"])
def test_each_kind_of_column_gives_the_same(table: DataFrame, rows: np.ndarray, kind: str) -> None:
    features = F.col("features")
    given = array_to_vector(F.col("features")) if kind == "vector" else features.cast(kind)
    typed = table.withColumn("features", given)
    out = PCA(k=3).fit(typed).transform(typed)
    shown = out.schema["components"].dataType.simpleString()
    assert shown == ("vector" if kind == "vector" else "array<float>")
    expected = fit_pca(Moments.of(rows), 3).transform(rows)
    np.testing.assert_allclose(column(out, "components"), expected, atol=1e-4)


@pytest.mark.any_spark
def test_mllib_gives_the_same_but_for_the_centring(table: DataFrame, rows: np.ndarray) -> None:
    vectors = table.withColumn("features", array_to_vector(F.col("features")))
    theirs = MLlibPCA(k=4, inputCol="features", outputCol="components").fit(vectors)
    ours = PCA(k=4).fit(vectors)
    np.testing.assert_allclose(
        ours.explainedVariance.toArray(), theirs.explainedVariance.toArray(), rtol=1e-6
    )
    signs = np.sign((ours.pc.toArray() * theirs.pc.toArray()).sum(axis=0))
    np.testing.assert_allclose(ours.pc.toArray(), theirs.pc.toArray() * signs, atol=1e-5)
    shift = ours.projection.mean @ ours.projection.components.T
    uncentred = column(theirs.transform(vectors), "components") * signs
    np.testing.assert_allclose(
        column(ours.transform(vectors), "components"), uncentred - shift, atol=1e-4
    )


@pytest.mark.any_spark
def test_to_mllib_is_a_real_model_of_the_same_components(table: DataFrame, tmp_path: Path) -> None:
    vectors = table.withColumn("features", array_to_vector(F.col("features")))
    ours = PCA(k=4).fit(vectors)
    real = ours.toMLlib()
    assert type(real).__module__ == "pyspark.ml.feature"
    shift = ours.projection.mean @ ours.projection.components.T
    np.testing.assert_allclose(
        column(real.transform(vectors), "components") - shift,
        column(ours.transform(vectors), "components"),
        atol=1e-4,
    )
    real.write().overwrite().save(str(tmp_path / "mllib"))
    with pytest.raises(UsageError, match="cannot standardise"):
        PCA(k=4, standardize=True).fit(vectors).toMLlib()


def test_whitening_gives_unit_variance(table: DataFrame) -> None:
    out = PCA(k=4, whiten=True).fit(table).transform(table)
    np.testing.assert_allclose(column(out, "components").var(axis=0, ddof=1), 1, rtol=1e-4)


def test_the_discriminant_leaves_null_labels_out(table: DataFrame, rows: np.ndarray) -> None:
    from verger.projections.discriminant import fit_discriminant

    model = Discriminant(shrinkage=0.2).fit(table)
    labels = [f"label {i % 3}" for i in range(N) if i % 10 != 9]
    labelled = rows[[i % 10 != 9 for i in range(N)]]
    expected = fit_discriminant(Moments.of(root_unit(labelled), labels), 0.2)
    assert model.projection.rows == len(labels)
    np.testing.assert_allclose(
        column(model.transform(table), "discriminant"), expected.transform(rows), atol=1e-3
    )


@pytest.mark.any_spark
@pytest.mark.parametrize(
    "estimator",
    [PCA(k=3, standardize=True, outputCol="out"), Discriminant(shrinkage=0.4, outputCol="out")],
    ids=["pca", "discriminant"],
)
def test_saving_and_loading(
    estimator: PCA | Discriminant, table: DataFrame, tmp_path: Path
) -> None:
    path = str(tmp_path / "estimator")
    estimator.save(path)
    assert type(estimator).load(path).extractParamMap().keys() == estimator.extractParamMap().keys()
    model = estimator.fit(table)
    model.write().save(str(tmp_path / "model"))
    loaded = type(model).load(str(tmp_path / "model"))
    assert loaded.uid == model.uid
    assert {p.name: v for p, v in loaded.extractParamMap().items()} == {
        p.name: v for p, v in model.extractParamMap().items()
    }
    np.testing.assert_array_equal(
        column(loaded.transform(table), "out"), column(model.transform(table), "out")
    )
    other = DiscriminantModel if isinstance(model, PCAModel) else PCAModel
    with pytest.raises(StoreError, match=f"no {other.__name__}"):
        other.load(str(tmp_path / "model"))


def test_a_truncated_model_is_a_clear_error(table: DataFrame, tmp_path: Path) -> None:
    PCA(k=2).fit(table).save(str(tmp_path / "model"))
    (data,) = (tmp_path / "model" / "data").glob("*.parquet")
    files = pq.read_table(data).to_pylist()
    for file in files:
        if file["name"] == "pca.components.npy":
            file["content"] = file["content"][:-8]
    for crc in (tmp_path / "model" / "data").glob(".*.crc"):
        crc.unlink()
    pq.write_table(pa.Table.from_pylist(files), data)
    with pytest.raises(StoreError, match="damaged"):
        PCAModel.load(str(tmp_path / "model"))


@pytest.mark.any_spark
def test_copies_and_param_maps_leave_the_original(table: DataFrame) -> None:
    pca = PCA(k=3)
    copied = pca.copy({pca.k: 2})
    assert (pca.getK(), copied.getK()) == (3, 2)
    assert pca.fit(table, {pca.k: 1}).projection.k == 1
    model = pca.fit(table)
    assert model.uid == pca.uid
    renamed = model.copy({model.outputCol: "other"})
    assert "other" in renamed.transform(table).columns
    assert model.getOutputCol() == "components"
    assert "number of components" in pca.explainParam("k")


@pytest.mark.parametrize("k", [0, -3, 1.5, "abc", 1.0])
def test_a_k_that_cannot_be_is_refused(k: object) -> None:
    with pytest.raises(TypeError, match="k ="):
        PCA(k=k)  # type: ignore[arg-type]


def test_only_keywords_are_taken() -> None:
    with pytest.raises(TypeError):
        PCA(3)  # type: ignore[call-arg]


@pytest.mark.any_spark
@pytest.mark.parametrize("made", [PCA, Discriminant, PhotoEmbedder])
def test_params_are_set_by_name_and_checked(made: type) -> None:
    one = made()
    assert one.setParams(outputCol="out") is one
    assert one.getOutputCol() == "out"
    assert one.getInputCol() == made().getInputCol()
    with pytest.raises(TypeError, match="'other'"):
        one.setParams(other=1)
    # Spark 3.5 looks for a name that NumPy 2 lacks before it finds that 3 is no string.
    with pytest.raises((TypeError, AttributeError), match=r"outputCol|np\.string_"):
        one.setParams(outputCol=3)


def test_a_cross_validator_chooses_k(table: DataFrame) -> None:
    target = F.element_at("features", 1).cast("double").alias("target")
    vectors = table.select(array_to_vector(F.col("features")).alias("features"), target, "row")
    pca = PCA(outputCol="components")
    line = LinearRegression(featuresCol="components", labelCol="target")
    grid = ParamGridBuilder().addGrid(pca.k, [1, 10]).build()
    chosen = CrossValidator(
        estimator=Pipeline(stages=[pca, line]),
        estimatorParamMaps=grid,
        evaluator=RegressionEvaluator(labelCol="target"),
        numFolds=2,
        seed=1,
    ).fit(vectors)
    assert chosen.avgMetrics[1] < chosen.avgMetrics[0]


def test_the_fit_scans_the_data_once(spark: SparkSession, table: DataFrame) -> None:
    seen = spark.sparkContext.accumulator(0)

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            seen.add(len(batch))
            yield batch

    counted = table.mapInArrow(count, table.schema)
    PCA(k=0.9, standardize=True).fit(counted)
    assert seen.value == N
    Discriminant().fit(counted)
    assert seen.value == 2 * N


@pytest.mark.any_spark
@pytest.mark.parametrize("partitions", [2, 12])
@pytest.mark.parametrize("adaptive", ["true", "false"])
def test_rows_behind_a_shuffle_are_computed_once(
    spark: SparkSession, table: DataFrame, adaptive: str, partitions: int
) -> None:
    """Fits plan by the number of partitions, and counting them must not run what comes before."""
    seen = spark.sparkContext.accumulator(0)

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            seen.add(len(batch))
            yield batch

    spark.conf.set("spark.sql.adaptive.enabled", adaptive)
    try:
        counted = table.mapInArrow(count, table.schema).repartition(partitions, "row")
        assert PCA(k=2).fit(counted).projection.rows == N
    finally:
        spark.conf.set("spark.sql.adaptive.enabled", "false")
    assert seen.value == N


@pytest.mark.any_spark
def test_partitions_are_counted_where_that_runs_nothing(table: DataFrame) -> None:
    assert _partitions(table.coalesce(1)) == 1
    assert _partitions(table.repartition(3)) is None
    assert _partitions(table.orderBy("row")) is None


def test_empty_partitions_and_one_row_a_partition(table: DataFrame, rows: np.ndarray) -> None:
    scattered = table.repartition(150, "row")
    np.testing.assert_allclose(
        PCA(k=3).fit(scattered).projection.components,
        fit_pca(Moments.of(rows), 3).components,
        atol=1e-6,
    )


def test_wrong_columns_are_clear_errors(spark: SparkSession, table: DataFrame) -> None:
    with pytest.raises(UsageError, match="no column 'nope'"):
        PCA(k=2, inputCol="nope").fit(table)
    with pytest.raises(UsageError, match="is string"):
        PCA(k=2, inputCol="label").fit(table)
    with pytest.raises(UsageError, match="no column 'nope' of labels"):
        Discriminant(labelCol="nope").fit(table)
    with pytest.raises(UsageError, match="no row to fit"):
        PCA(k=2).fit(table.limit(0))
    ragged = spark.createDataFrame([([1.0, 2.0],), ([1.0],)], "features array<double>")
    with pytest.raises(UsageError, match="differ in length"):
        PCA(k=1).fit(ragged.coalesce(1))
    nan = spark.createDataFrame([([1.0, float("nan")],)], "features array<double>")
    with pytest.raises(UsageError, match="NaN"):
        PCA(k=1).fit(nan)
    named = nan.withColumn("path", F.lit("a/b c.jpg"))
    with pytest.raises(UsageError, match=r"row of a/b c\.jpg holds NaN"):
        PCA(k=1).fit(named)
    with pytest.raises(UsageError, match=r"row of a/b c\.jpg holds NaN"):
        Discriminant().fit(named.withColumn("label", F.lit("a")))


def test_a_width_that_cannot_fit_is_refused_with_the_figure(spark: SparkSession) -> None:
    wide = spark.range(1).select(F.array_repeat(F.lit(1.0).cast("float"), 50_000).alias("features"))
    with pytest.raises(UsageError, match=r"50000 features need 18\.6 GiB"):
        PCA(k=1).fit(wide)
    behind_a_shuffle = wide.repartition(2)
    with pytest.raises(UsageError, match=r"50000 features need 18\.6 GiB"):
        PCA(k=1).fit(behind_a_shuffle)


@pytest.mark.any_spark
def test_the_width_is_known_before_the_pass_where_that_costs_none(
    spark: SparkSession, table: DataFrame
) -> None:
    assert width_ahead(table.coalesce(1), "features") == D
    cached = table.select("features").cache()
    assert width_ahead(cached, "features") == D
    cached.unpersist()
    assert width_ahead(table.select(array_to_vector(F.col("features")).alias("v")), "v") == D
    assert width_ahead(table.repartition(3), "features") is None
    assert width_ahead(table.where("row > 5").orderBy("row"), "features") is None
    assert width_ahead(table.mapInArrow(lambda rows: rows, table.schema), "features") is None
    numbers = [F.col("features")[at].alias(f"f{at}") for at in range(3)]
    assembled = VectorAssembler(inputCols=["f0", "f1", "f2"], outputCol="v").transform(
        table.select(*numbers).repartition(3)
    )
    assert width_ahead(assembled, "v") == 3
    nothing = spark.range(1).select(F.lit(None).cast("array<float>").alias("features"))
    assert width_ahead(nothing, "features") is None
    assert width_ahead(table.limit(0), "features") is None


def test_photos_by_path_and_by_bytes_are_the_same(spark: SparkSession, orchard: Path) -> None:
    paths = sorted(str(file) for file in orchard.rglob("*.jpg"))
    by_path = spark.createDataFrame([(at, p) for at, p in enumerate(paths)], "row int, path string")
    by_bytes = spark.createDataFrame(
        [(at, bytearray(Path(p).read_bytes())) for at, p in enumerate(paths)],
        "row int, content binary",
    )
    one = PhotoEmbedder().transform(by_path)
    two = PhotoEmbedder(inputCol="content", batchSize=1).transform(by_bytes)
    assert one.columns == ["row", "path", "features", "reason"]
    np.testing.assert_allclose(column(one, "features"), column(two, "features"), atol=1e-5)
    assert column(one, "features").shape == (12, 1280)


def test_a_bad_photo_is_null_with_its_reason_and_never_dropped(
    spark: SparkSession, orchard: Path, tmp_path: Path
) -> None:
    good = sorted(str(file) for file in orchard.rglob("*.jpg"))[:3]
    (tmp_path / "text.jpg").write_text("no image at all")
    (tmp_path / "empty.jpg").touch()
    given = [good[0], str(tmp_path / "text.jpg"), None, good[1], str(tmp_path / "empty.jpg"),
             str(tmp_path / "gone.jpg"), good[2]]  # fmt: skip
    table = spark.createDataFrame([(i, p) for i, p in enumerate(given)], "row int, path string")
    out = PhotoEmbedder(reasonCol="why").transform(table).orderBy("row").collect()
    assert [row["why"] for row in out] == [
        None, "not_an_image", "unreadable", None, "empty", "unreadable", None,
    ]  # fmt: skip
    assert [row["features"] is None for row in out] == [why["why"] is not None for why in out]


@pytest.mark.any_spark
def test_a_pipeline_from_photos_to_components(
    spark: SparkSession, orchard: Path, tmp_path: Path
) -> None:
    files = sorted(orchard.rglob("*.jpg"))
    rows = [(at, str(file), file.parent.name) for at, file in enumerate(files)]
    table = spark.createDataFrame(
        [*rows, (99, "/gone.jpg", "x")], "row int, path string, label string"
    )
    fitted = Pipeline(stages=[PhotoEmbedder(), PCA(k=4), Discriminant()]).fit(table)
    fitted.write().overwrite().save(str(tmp_path / "pipeline"))
    out = PipelineModel.load(str(tmp_path / "pipeline")).transform(table).orderBy("row").collect()
    assert len(out) == 13
    assert out[-1]["components"] is None
    assert {len(row["components"]) for row in out[:-1]} == {4}
    assert {len(row["discriminant"]) for row in out[:-1]} == {2}


def test_an_unknown_backbone_is_a_clear_error(spark: SparkSession) -> None:
    table = spark.createDataFrame([("a.jpg",)], "path string")
    with pytest.raises(VergerError, match="No backbone is called 'nope'"):
        PhotoEmbedder(backbone="nope").transform(table)


def rewritten(model: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Change one of the files that a saved model holds."""
    (data,) = (model / "data").glob("*.parquet")
    files = pq.read_table(data).to_pylist()
    for file in files:
        if file["name"] == name:
            file["content"] = change(file["content"])
    for crc in (model / "data").glob(".*.crc"):
        crc.unlink()
    pq.write_table(pa.Table.from_pylist(files), data)


@pytest.mark.any_spark
def test_a_saved_model_that_cannot_be_used_is_a_line(table: DataFrame, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    model = PCA(k=2).fit(table)
    model.save(str(saved))

    def said_of(name: str) -> str:
        with pytest.raises(StoreError) as error:
            PCAModel.load(str(tmp_path / name))
        assert "\n" not in str(error.value)
        assert str(tmp_path / name) in str(error.value)
        return str(error.value)

    def copy(name: str) -> Path:
        return Path(shutil.copytree(saved, tmp_path / name))

    rewritten(copy("newer"), "pca.json", lambda b: b.replace(b'"format": 2', b'"format": 3'))
    assert said_of("newer").endswith("Upgrade Verger.")
    rewritten(copy("text"), "pca.json", lambda _: b"GIF89a")
    assert "not a saved pca model" in said_of("text")
    shutil.rmtree(copy("half") / "data")
    assert "not all of it" in said_of("half")
    assert "no saved model" in said_of("nothing")
    (metadata,) = (copy("foreign") / "metadata").glob("part-*")
    for crc in metadata.parent.glob(".*.crc"):
        crc.unlink()
    metadata.write_text("[1, 2]\n")
    assert "no model that this version reads" in said_of("foreign")
    metadata.write_text("")
    assert "no model that this version reads" in said_of("foreign")
    PCA(k=2).save(str(tmp_path / "estimator"))
    assert "holds a verger.spark.ml.pca.PCA, no PCAModel" in said_of("estimator")
    with pytest.raises(StoreError, match="exists already"):
        model.save(str(saved))
    model.write().overwrite().save(str(saved))
    assert PCAModel.load(str(saved)).uid == model.uid


def test_rows_that_do_not_fit_the_model_say_so(spark: SparkSession, table: DataFrame) -> None:
    model = PCA(k=2).fit(table)
    narrow = spark.createDataFrame([([1.0, 2.0],)], "features array<double>")
    with pytest.raises(Exception, match=r"UsageError: The model does not fit .* of 10 columns"):
        model.transform(narrow).collect()
    empty = spark.createDataFrame([([],)], "features array<double>")
    with pytest.raises(UsageError, match="A row of features is empty"):
        PCA(k=1).fit(empty)
    huge = spark.createDataFrame([([1e200, 1.0],), ([1.0, 1.0],)], "features array<double>")
    with pytest.raises(UsageError, match="too large to square"):
        PCA(k=1).fit(huge)


def test_large_batches_give_the_same(spark: SparkSession, table: DataFrame) -> None:
    """A user's session has batches of 10,000 rows; nulls among them stay where they are."""
    many = spark.range(0, 5000, 1, 1).join(table.limit(1).select("features"))
    some = many.withColumn("features", F.expr("if(id % 7 = 3, null, features)"))
    before = spark.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch")
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 10_000)
    try:
        out = PCA(k=2).fit(table).transform(some).orderBy("id").collect()
    finally:
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(before))
    assert [row["components"] is None for row in out] == [i % 7 == 3 for i in range(5000)]
    assert len({tuple(row["components"]) for row in out if row["components"]}) == 1


@pytest.mark.any_spark
def test_models_saved_before_the_rooms_load(spark: SparkSession) -> None:
    """Spark 3.5 saved them on the day before modules moved; their metadata names our classes."""
    saved = Path(__file__).parents[1] / "fixtures" / "spark-models-0.1"
    model = PipelineModel.load(str(saved / "pipeline"))
    classes: list[type] = [type(stage) for stage in model.stages]
    assert classes == [PCAModel, DiscriminantModel]
    row = [0.5029208660125732, 0.7357902526855469, 2.6404225826263428, 3.052449941635132]
    rows = spark.createDataFrame([(row,)], "features array<float>")
    found = model.transform(rows).first()
    assert found is not None
    np.testing.assert_allclose(
        found["components"], [2.3479502201080322, -0.4749663472175598], rtol=1e-6
    )
    np.testing.assert_allclose(found["discriminant"], [-1.1405969858169556], rtol=1e-6)
    embedder = PhotoEmbedder.load(str(saved / "embedder"))
    assert embedder.getInputCol() == "path"
    assert embedder.getOrDefault("batchSize") == 4
