/** A command for scripts: what events a line brings. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Writes `events-of LINE` into a folder. It runs the line between two things of the kind, a network or a volume, that are made and
 * removed, so that it neither begins too early to listen nor ends too late.
 */
export function writeEventsOf(folder: string, kind: 'network' | 'volume', format: string): void {
  const text = `#!/bin/sh
log=$(mktemp)
docker events --filter type=${kind} --format '${format}' > $log &
listener=$!
mark() {
  until grep -q "destroy $1" $log; do docker ${kind} create $1 && docker ${kind} rm $1; done > /dev/null
}
mark before
sh -c "$1"
mark after
kill $listener
grep -v -e ' before ' -e ' after ' $log
rm $log
`
  writeFileSync(join(folder, 'events-of'), text, { mode: 0o755 })
}
