# What the server's first boot runs. Above this stand the values of one job, written by
# verger.cloud.machine: JOB, SCRATCH, AWS_REGION, LIMIT (minutes), ARCHITECTURE, PYTHON, NOTIFY (a
# topic of SNS, or nothing), and the arguments of Verger as "$@".
set -Eeuo pipefail

# The fence comes first: however the rest ends, or hangs, the server is off by then. It terminates
# when it is off, and its disk goes with it.
shutdown -P "+$LIMIT"

export HOME=/root JOB SCRATCH AWS_REGION AWS_DEFAULT_REGION="$AWS_REGION" ARCHITECTURE PYTHON NOTIFY
WORK=/var/tmp/verger
export WORK STARTED="$EPOCHSECONDS"
mkdir -p "$WORK"
cd "$WORK"
exec >>boot.log 2>&1

finish() {
  code=$?
  trap - EXIT
  set +e
  if [ ! -e result.json ]; then
    printf '{"job": "%s", "exit_code": %d, "error": "The server was not set up; logs/boot.log says why."}\n' \
      "$JOB" "$((code ? code : 1))" >result.json
    aws s3 cp --only-show-errors result.json "$SCRATCH/result.json"
  fi
  aws s3 cp --only-show-errors boot.log "$SCRATCH/logs/boot.log"
  shutdown -P now
}
trap finish EXIT
trap 'exit 143' TERM INT

# Amazon Linux brings the aws command; Ubuntu takes it from its store.
command -v aws >/dev/null || snap install aws-cli --classic

# A role that was made a moment ago is not known everywhere at once.
for try in 1 2 3 4 5 6 7 8 9 10; do
  aws s3 cp --only-show-errors "$SCRATCH/scripts/job.sh" job.sh && break
  [ "$try" -lt 10 ]
  sleep 6
done
bash job.sh "$@"
