#!/bin/bash
# What each node of an EMR cluster runs before Spark starts: bootstrap.sh s3://SCRATCH PYTHON
#
# Unpacks Verger and what it imports into /opt/verger. Spark and Java are the cluster's own.
set -Eeuo pipefail
SCRATCH=$1 PYTHON=$2

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

failed() {
  code=$?
  trap - ERR
  printf '{"exit_code": %d, "error": "The bootstrap action failed at line %d, on %s."}\n' \
    "$code" "$1" "$(hostname)" | aws s3 cp --only-show-errors - "$SCRATCH/result.json"
  exit "$code"
}
trap 'failed $LINENO' ERR

command -v "python$PYTHON" >/dev/null || as_root dnf install --quiet --assumeyes "python$PYTHON"
as_root mkdir -p /opt/verger
aws s3 cp --only-show-errors "$SCRATCH/archive/verger-env.tar.gz" - |
  as_root tar -xzf - -C /opt/verger --no-same-owner
# A node that cannot import it shall end here, not in the midst of the run.
cd /opt/verger
"python$PYTHON" -B -c 'import boto3, numpy, obstore, onnxruntime, pandas, PIL, pyarrow, verger'
