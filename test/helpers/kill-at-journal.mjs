// Loaded into a daemon by --import: ends it with SIGKILL right after its n-th write to the journal, n from TSNET_TEST_KILL_AT.
import { DatabaseSync } from 'node:sqlite'

const at = Number(process.env.TSNET_TEST_KILL_AT)
const prepare = DatabaseSync.prototype.prepare
let writes = 0

DatabaseSync.prototype.prepare = function prepareCounting(sql) {
  const statement = prepare.call(this, sql)
  if (!/^(INSERT INTO|UPDATE|DELETE FROM) journal/.test(sql)) return statement
  const run = statement.run.bind(statement)
  statement.run = (...values) => {
    const result = run(...values)
    if (++writes === at) process.kill(process.pid, 'SIGKILL')
    return result
  }
  return statement
}
