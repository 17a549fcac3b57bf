import { afterAll, expect, it } from 'vitest'
import { TestClient } from '../../helpers/client.ts'
import { TestDaemon } from '../../helpers/daemon.ts'

const daemon = await TestDaemon.start()
afterAll(() => daemon.stop())

it('a daemon that is in no cluster refuses overlay networks with what is missing, and has no hosts to list', async () => {
  const { refusal } = new TestClient(daemon)
  expect(await refusal('network', 'create', '-d', 'overlay', 'mesh')).toMatch(
    /overlay networks need a cluster, and this daemon is in none: start it with --cluster/,
  )
  expect((await daemon.tsnet('node', 'ls')).stderr).toMatch(/this daemon is in no cluster/)
  // older clients warn of the kernel there
  expect((await daemon.docker('info')).stderr).not.toMatch(/cluster/)
})
