import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { beforeAll, expect, test } from 'vitest'
import { openNft } from '../../src/sys/libnftables.ts'
import { enterThrowAwayNetns } from '../helpers/firewall-lab.ts'

beforeAll(enterThrowAwayNetns)

test('changes are not given up half-way because the process gets a signal', async () => {
  let heard = 0
  const hear = (): void => void heard++
  process.on('SIGWINCH', hear)
  const script = 'i=0; while [ $i -lt 100000 ] && kill -WINCH "$1"; do i=$((i + 1)); done'
  const pest = spawn('sh', ['-c', script, 'sh', String(process.pid)])
  const gone = once(pest, 'exit')
  using nft = openNft()!
  try {
    for (let round = 0; round < 300; round++) {
      nft.run('table ip pestered { set s { type ipv4_addr; }; chain c { ip saddr @s drop; }; }')
      nft.run('delete table ip pestered')
    }
    await new Promise((done) => setTimeout(done, 10))
    expect(heard).toBeGreaterThan(0)
  } finally {
    pest.kill()
    await gone
    process.off('SIGWINCH', hear)
  }
})
