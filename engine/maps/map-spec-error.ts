import type { MapSpec } from '../object/index.ts';
import { EINVAL } from './errno.ts';

/** Thrown for a map that can't be created as it is described; `errno` is what the kernel answers. */
export class MapSpecError extends Error {
  readonly errno: number;

  constructor(spec: MapSpec, problem: string, errno = EINVAL) {
    super(`map "${spec.name}" (${spec.type}): ${problem}`);
    this.name = 'MapSpecError';
    this.errno = errno;
  }
}
