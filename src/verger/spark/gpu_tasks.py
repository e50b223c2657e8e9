"""GPUs in Spark: how many tasks compute on one at a time, and which one is a task's.

One process owns a GPU. On this machine alone that is the one task that embeds, however many task
slots there are. On a cluster Spark hands out GPUs as it hands out cores: one an executor, one a
task, so that one task runs there at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark import TaskContext
from pyspark.sql import SparkSession

from verger.embed.onnx_session import no_gpu
from verger.machine.cores import cores

# Of a cluster's session, for a run on GPUs.
CLUSTER_CONF = {
    "spark.executor.resource.gpu.amount": "1",
    # The whole of it: the task's threads decode on all of the executor's cores.
    "spark.task.resource.gpu.amount": "1",
}


@dataclass(frozen=True, slots=True)
class Gpus:
    """How the tasks of a job compute on GPUs.

    given:    Spark gives each task its GPU; otherwise there is one task, for the first GPU
    decoders: threads that decode for a task; 0: one for each core that it may use
    """

    given: bool
    decoders: int

    @classmethod
    def of(cls, spark: SparkSession, slots: int) -> Gpus:
        """Return what fits a session that runs so many tasks at once."""
        from verger.spark.session import is_local  # much, which workers have no use for

        context = spark.sparkContext
        if is_local(context.master):
            return cls(given=False, decoders=slots)
        return cls(given=True, decoders=int(context.getConf().get("spark.executor.cores") or 0))

    def at_once(self, tasks: int) -> int:
        """Return how many of so many tasks may run at once."""
        return tasks if self.given else 1

    def decoders_here(self) -> int:
        """Return how many threads decode, in a worker."""
        return self.decoders or cores()

    def index(self) -> int:
        """Return which GPU is this task's, in a worker. Raises `UsageError` where none is."""
        if not self.given:
            return 0
        context = TaskContext.get()
        found = context.resources().get("gpu") if context else None
        if found is None or not found.addresses:
            asked = " and ".join(f"{name}={value}" for name, value in CLUSTER_CONF.items())
            raise no_gpu("Spark gives its tasks none", f"Start the session with {asked}.")
        address = found.addresses[0]
        if not address.isdecimal():
            raise no_gpu(f"Spark calls it {address!r}, which is not an index")
        return int(address)
