#!/usr/bin/env bash
# Compares the Go benchmarks of this tree with those of another commit, using benchstat:
#
#     tools/benchstat.sh [COMMIT [FILE]]
#
# COMMIT is origin/main by default, or HEAD~1 if that doesn't exist. benchstat's output goes
# to FILE, dist/benchstat.txt by default. The figures are for people to read: the script
# fails only if a benchmark does.
set -euo pipefail
cd "$(dirname "$0")/.."

base=${1:-$(git rev-parse --verify -q origin/main || git rev-parse HEAD~1)}
file=${2:-dist/benchstat.txt}
rounds=${ROUNDS:-6}
packages=(./internal/odata ./internal/graph ./internal/db)
benchmarks='Parse|Append|Entity|Exchange|TokenCheck|Gather'

work=$(mktemp -d)
trap 'git worktree remove --force "$work/base" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/base" "$base"

# Alternates, so that other load on the machine affects both.
for ((i = 0; i < rounds; i++)); do
	for tree in base here; do
		dir=.
		[ "$tree" = base ] && dir=$work/base
		(cd "$dir" && go test -run='^$' -bench="$benchmarks" -benchtime="${BENCHTIME:-0.2s}" -benchmem "${packages[@]}") >>"$work/$tree.txt"
	done
done
mkdir -p "$(dirname "$file")"
go tool -modfile=tools/benchstat.mod benchstat "base=$work/base.txt" "here=$work/here.txt" | tee "$file"
