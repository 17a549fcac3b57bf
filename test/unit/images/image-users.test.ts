import { expect, test } from 'vitest'
import { usesImage } from '../../../src/images/image-users.ts'
import type { ImageId } from '../../../src/values/id.ts'
import { mountRequest, plan } from '../engine/samples.ts'

test('a container uses the image that it runs from, and those that it has mounted', () => {
  const image = { ...mountRequest, type: 'image', source: 'tools', target: '/tools' } as const
  const container = plan({ mounts: [image, { ...mountRequest, source: 'other' }] })
  const uses = (id: string) => usesImage(container, id as ImageId)
  expect([container.image, 'sha256:tools', 'sha256:other', 'other', 'tools'].map(uses)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ])
})
