#!/bin/bash
# What each node of an EMR cluster runs before Spark starts: bootstrap.sh s3://SCRATCH PYTHON LIMIT
#
# Sets the clock, unpacks Verger and what it imports into /opt/verger. Spark and Java are the
# cluster's own.
set -Eeuo pipefail
SCRATCH=$1 PYTHON=$2 LIMIT=$3
INSTANCE=${INSTANCE:-/mnt/var/lib/info/instance.json}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

# What is said goes to EMR's log as it is, and to the scratch bucket where this fails: a node that
# ends takes the log that EMR had not sent yet with it.
log=$(mktemp)
exec 3>&1 >"$log" 2>&1
trap 'cat "$log" >&3' EXIT

failed() {
  code=$?
  trap - ERR
  node=$(hostname)
  aws s3 cp --only-show-errors "$log" "$SCRATCH/logs/bootstrap-$node.log" || true
  printf '{"exit_code": %d, "error": "The bootstrap action failed at line %d, on %s."}\n' \
    "$code" "$1" "$node" | aws s3 cp --only-show-errors - "$SCRATCH/result.json"
  exit "$code"
}
trap 'failed $LINENO' ERR

# The fence of the cluster's own: without the node that leads there is none. EMR writes which it is
# before bootstrap actions run.
if grep -Eqs '"isMaster": *true' "$INSTANCE"; then as_root shutdown -P "+$LIMIT"; fi

command -v "python$PYTHON" >/dev/null || as_root dnf install --quiet --assumeyes "python$PYTHON"
as_root mkdir -p /opt/verger
aws s3 cp --only-show-errors "$SCRATCH/archive/verger-env.tar.gz" - |
  as_root tar -xzf - -C /opt/verger --no-same-owner
# A node that cannot import it shall end here, not in the midst of the run.
cd /opt/verger
"python$PYTHON" -B -c 'import boto3, numpy, obstore, onnxruntime, pandas, PIL, pyarrow, verger'
