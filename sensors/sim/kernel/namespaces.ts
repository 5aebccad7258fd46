import type { Memory } from '../../../engine/vm/index.ts';
import { KernelObject } from './kernel-object.ts';
import { NSPROXY, PID_NAMESPACE } from './structs.ts';

/** The namespaces every process is in, so far one set (struct nsproxy). */
export class Namespaces extends KernelObject {
  constructor(memory: Memory) {
    super(memory, NSPROXY.size);
    this.setPointer(NSPROXY.pid, memory.allocate(PID_NAMESPACE.size));
  }
}
