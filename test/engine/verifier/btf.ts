import { defineStructs } from '../../../engine/object/index.ts';

/** BTF of a kernel whose structs no program looks at. */
export const emptyBtf = (): Uint8Array => defineStructs({ list_head: { next: 'struct list_head *' } });
