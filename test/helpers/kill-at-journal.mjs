// Loaded into a daemon by --import. While there is a file TSNET_TEST_KILL_FILE that says n, it counts down with each write to
// the journal; with the last one it goes, and the daemon ends with SIGKILL.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

const file = process.env.TSNET_TEST_KILL_FILE
const prepare = DatabaseSync.prototype.prepare

function count() {
  if (!existsSync(file)) return
  const left = Number(readFileSync(file, 'utf8')) - 1
  if (left > 0) return writeFileSync(file, String(left))
  rmSync(file)
  process.kill(process.pid, 'SIGKILL')
}

DatabaseSync.prototype.prepare = function prepareCounting(sql) {
  const statement = prepare.call(this, sql)
  if (!/^(INSERT INTO|UPDATE|DELETE FROM) journal/.test(sql)) return statement
  const run = statement.run.bind(statement)
  statement.run = (...values) => {
    const result = run(...values)
    count()
    return result
  }
  return statement
}
