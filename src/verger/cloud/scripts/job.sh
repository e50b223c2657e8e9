#!/bin/bash
# What the server does, from wheels to the result: job.sh ARGUMENTS OF VERGER
#
# Run by user-data.sh as root, with JOB, SCRATCH, AWS_REGION, ARCHITECTURE, PYTHON, NOTIFY, WORK
# and STARTED in the environment. Nothing is fetched but from SCRATCH, and Python from the system's own
# packages.
set -Eeuo pipefail

[ "$(uname -m)" = "$ARCHITECTURE" ] || {
  echo "The wheels are for $ARCHITECTURE, and this server is $(uname -m)."
  exit 2
}

say() { printf '%4d s  %s\n' "$((EPOCHSECONDS - STARTED))" "$*"; }

install_python() {
  command -v "python$PYTHON" >/dev/null && return
  if command -v dnf >/dev/null; then
    dnf install --quiet --assumeyes "python$PYTHON"
  else
    apt-get update --quiet=2
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends \
      "python$PYTHON" "python$PYTHON-venv"
  fi
}

say "fetching the wheels"
aws s3 cp --recursive --only-show-errors "$SCRATCH/wheels/" wheels/ &
install_python
wait $! # its failure is this script's

say "installing them"
# Temporary files beside what they become: they are renamed, not copied.
export TMPDIR="$WORK/tmp"
mkdir -p "$TMPDIR"
"python$PYTHON" -m venv --without-pip /opt/verger
pip=$(echo wheels/pip-*.whl)
mv "$pip" "${pip#wheels/}"
"python$PYTHON" "${pip#wheels/}/pip" --python /opt/verger/bin/python --disable-pip-version-check \
  --no-cache-dir install --quiet --no-index --no-deps --no-compile wheels/*.whl
rm -rf wheels

# Photos come from anywhere: they are decoded by somebody who owns nothing else here.
id verger >/dev/null 2>&1 || useradd --system --shell /sbin/nologin --home-dir "$WORK" verger
chown -R verger: "$WORK"
chmod 755 "$WORK"

say "starting"
# Who owns nothing cannot keep compiled modules beside them; each process would compile them anew.
export PYTHONPYCACHEPREFIX="$WORK/compiled"
# Spark asks for the address of this server's name, which nobody may know here.
export HOME="$WORK" SPARK_LOCAL_DIRS="$TMPDIR" SPARK_LOCAL_IP=127.0.0.1
exec runuser -u verger -- /opt/verger/bin/python -m verger.cloud.entry \
  --job "$JOB" --scratch "$SCRATCH" --region "$AWS_REGION" --since "$STARTED" \
  ${NOTIFY:+--notify "$NOTIFY"} -- "$@"
