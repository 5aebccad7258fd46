import type { Memory } from '../../../engine/vm/index.ts';
import { KernelObject } from './kernel-object.ts';
import { PidNamespace } from './pids.ts';
import { NSPROXY } from './structs.ts';

/** The namespaces every process is in, so far one set (struct nsproxy). */
export class Namespaces extends KernelObject {
  readonly pids: PidNamespace;

  constructor(memory: Memory, untold: boolean) {
    super(memory, NSPROXY.size);
    this.pids = new PidNamespace(memory, undefined, untold);
    this.setPointer(NSPROXY.pid, this.pids.at);
  }
}
