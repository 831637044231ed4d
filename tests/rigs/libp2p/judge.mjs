// A peer of js-libp2p that does what is asked of it, a line of JSON each, and answers with one (tests/rig.py).
import { createInterface } from 'node:readline'
import { createLibp2p } from 'libp2p'
import { tcp } from '@libp2p/tcp'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { gossipsub } from '@libp2p/gossipsub'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'

const hex = text => Uint8Array.from(Buffer.from(text, 'hex'))
const say = (id, what) => process.stdout.write(JSON.stringify({ id, ...what }) + '\n')
const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: {
    identify: identify({ runOnConnectionOpen: true }),
    ping: ping(),
    dht: kadDHT({
      protocol: process.argv[2], clientMode: false, peerInfoMapper: passthroughMapper, allowQueryWithZeroPeers: true,
      validators: { llp: async () => {} }, selectors: { llp: () => 0 }
    }),
    pubsub: gossipsub({ allowPublishToZeroTopicPeers: true, heartbeatInterval: 500 })
  }
})
node.services.pubsub.addEventListener('message', ({ detail }) => {
  say(null, { topic: detail.topic, data: Buffer.from(detail.data).toString('hex'), from: detail.from?.toString() })
})
await node.handle('/test/drain', async stream => { for await (const _ of stream) { } await stream.close() })

const last = async (events, name, wanted) => {
  for await (const event of events) if (event.name === name && wanted(event)) return event
}
const deeds = {
  ping: async ({ to }) => ({ ms: await node.services.ping.ping(multiaddr(to)) }),
  connect: async ({ to }) => {
    const { remotePeer } = await node.dial(multiaddr(to))
    for (;;) {
      const { protocols } = await node.peerStore.get(remotePeer)
      if (protocols.length > 1 && node.services.dht.routingTable.size > 0) return { protocols }
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  },
  get: async ({ key }) => {
    const found = await last(node.services.dht.get(hex(key)), 'VALUE', () => true)
    return { value: found === undefined ? null : Buffer.from(found.value).toString('hex') }
  },
  put: async ({ key, value }) => {
    let count = 0
    for await (const event of node.services.dht.put(hex(key), hex(value))) count += event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE'
    return { count }
  },
  provide: async ({ key }) => {
    for await (const _ of node.services.dht.provide(CID.createV1(0x55, Digest.decode(hex(key))))) { }
    return {}
  },
  providers: async ({ key }) => {
    const cid = CID.createV1(0x55, Digest.decode(hex(key)))
    const found = await last(node.services.dht.findProviders(cid), 'PROVIDER', event => event.providers.length > 0)
    return { providers: found?.providers.map(peer => peer.id.toString()) ?? [] }
  },
  subscribe: async ({ topic }) => { node.services.pubsub.subscribe(topic); return {} },
  publish: async ({ topic, data }) => ({ sent: (await node.services.pubsub.publish(topic, hex(data))).recipients.length }),
  mesh: async ({ topic }) => ({ peers: node.services.pubsub.getMeshPeers(topic) }),
  send: async ({ to, bytes }) => {
    const stream = await node.dialProtocol(multiaddr(to), '/test/drain')
    const piece = new Uint8Array(64 * 1024)
    for (let sent = 0; sent < bytes; sent += piece.length) if (!stream.send(piece)) await stream.onDrain()
    await stream.close()
    return {}
  }
}
say(0, { at: node.getMultiaddrs()[0].toString() })
for await (const line of createInterface({ input: process.stdin })) {
  const { id, deed, ...words } = JSON.parse(line)
  deeds[deed](words).then(answer => say(id, answer), error => say(id, { error: `${error}` }))
}
await node.stop()
