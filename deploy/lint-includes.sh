#!/bin/sh
# The parts depend one way: base <- filters, base <- replication, and both <- engine.
set -eu
cd "$(dirname "$0")/.."
bad=0
refuse() { # FOLDER PATTERN WHY
    if grep -rnE "#include +[\"<](\.\./)*($2)" "$1" --include='*.[ch]'; then
        echo "weir: $3" >&2
        bad=1
    fi
}
refuse base 'engine/|replication/|filters/' 'base/ must not include the other parts'
refuse filters 'engine/|replication/|event2/|hiredis|libpq' 'filters/ does no I/O and knows nothing of the other parts'
refuse replication 'engine/|filters/|hiredis' 'replication/ must not include filters/ or engine/'
exit $bad
