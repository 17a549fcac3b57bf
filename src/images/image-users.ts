import type { ContainerRecord } from '../store/records.ts'
import type { ImageId } from '../values/id.ts'

/** Whether the container runs from the image or has it mounted. */
export function usesImage({ image, mounts }: ContainerRecord, id: ImageId): boolean {
  return image === id || mounts.some(({ type, source }) => type === 'image' && source === id)
}
