#!/bin/sh
# Judges the images given and deploys only what passed.
#
#   gate.sh IMAGE...
set -eu

code=0
imagegate check --output=text --output=json=imagegate.json -- "$@" || code=$?

case $code in
0) echo "may ship" ;;
1) echo "must not ship: see above" >&2 ;;
2) echo "could not be judged, so it does not ship; a retry may help" >&2 ;;
3) echo "the command line or the policy is wrong; a retry does not help" >&2 ;;
*) echo "imagegate was killed ($code)" >&2 ;;
esac
exit "$code"
