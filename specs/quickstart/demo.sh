#!/usr/bin/env bash
# `make demo`: compile and run the quickstart in a copy of its own (demo/), ask it something, then change one fact
# of the source, as a person would in an editor, and ask again.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${1:-demo}

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
do_() { printf '\033[2m$ %s\033[0m\n' "$*"; "$@"; }

mkdir -p "$work/quickstart"
cp "$here/../quickstart.nesy" "$work/"
cp "$here"/*.py "$here"/*.csv "$work/quickstart/"
cd "$work"
echo "# a project of its own" > nesyc.yaml

say "compile: the spec becomes SQL, Lightning modules and a plan, in $work/build/quickstart/"
do_ nesyc compile quickstart.nesy
say "run: the teacher's reasoning goes into the student, its knowledge into the knowledge base (a second time: nothing to do)"
do_ nesyc run
say "ask about a unit that no training question ever named"
do_ nesyc ask "How many grams are 7 zorps?"
do_ nesyc query 'size("brank", g)'
do_ nesyc why 'size("brank", 8)'

say "a person corrects one fact of quickstart.nesy: a zorp weighs 3 grams, not 4"
sed -i.before 's/("zorp", 4)/("zorp", 3)/; s/size("zorp", 4)/size("zorp", 3)/; s/size("brank", 8)/size("brank", 6)/; s/size("glorn", 24)/size("glorn", 18)/' quickstart.nesy
diff quickstart.nesy.before quickstart.nesy || true
rm quickstart.nesy.before
say "and asks again: no training, the answers follow; a brank is two zorps"
do_ nesyc ask "How many grams are 7 zorps?"
do_ nesyc ask "How many grams are 5 branks?"
do_ nesyc test
