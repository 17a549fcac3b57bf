/** A distant name server with a bad line: answers every A query after 200 ms, and loses one in twenty. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'

const delay = 200
const lossEvery = 20

const socket = createSocket('udp4')
const record = Buffer.from('c00c00010001000000fa0004c0000201', 'hex')
let count = 0
socket.on('message', (bytes, client) => {
  if (++count % lossEvery === 0) return
  // the question's bytes, and an A record that points at its name: cheap, or this would be what is measured
  const answer = Buffer.concat([bytes, record])
  answer.writeUInt16BE(0x8180, 2)
  answer.writeUInt16BE(1, 6)
  setTimeout(() => socket.send(answer, client.port, client.address), delay)
})
socket.bind(53)
await once(socket, 'listening')
process.send?.('ready')
