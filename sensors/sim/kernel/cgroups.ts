import type { Memory } from '../../../engine/vm/index.ts';
import { KernelObject, writePointer } from './kernel-object.ts';
import { CGROUP, CSS_SET, KERNFS_NODE } from './structs.ts';

/** Levels below the root that a simulated cgroup's ancestors have room for. */
const MAX_LEVEL = 15;

/** A control group of the v2 hierarchy (struct cgroup), with the css_set of the tasks in it. */
export class Cgroup extends KernelObject {
  readonly path: string;
  /** What bpf_get_current_cgroup_id returns. */
  readonly id: bigint;
  /** From the root to itself; its own level is the last index. */
  readonly ancestors: readonly Cgroup[];
  /** Offset in memory of its struct css_set. */
  readonly cssSetAt: number;

  constructor(memory: Memory, path: string, id: number, above: readonly Cgroup[]) {
    super(memory, CGROUP.size);
    this.path = path;
    this.id = BigInt(id);
    this.ancestors = [...above, this];
    const node = memory.allocate(KERNFS_NODE.size);
    memory.view.setBigUint64(node + KERNFS_NODE.id, this.id, true);
    this.setPointer(CGROUP.node, node);
    this.setU32(CGROUP.level, above.length);
    for (const [level, { at }] of this.ancestors.entries()) this.setPointer(CGROUP.ancestors + 8 * level, at);
    this.cssSetAt = memory.allocate(CSS_SET.size);
    writePointer(memory, this.cssSetAt + CSS_SET.cgroup, this.at);
  }
}

/** The control groups there are. */
export class Cgroups {
  readonly root: Cgroup;
  readonly #memory: Memory;
  readonly #byPath = new Map<string, Cgroup>();
  readonly #byId = new Map<bigint, Cgroup>();
  #nextId = 1;

  constructor(memory: Memory) {
    this.#memory = memory;
    this.root = this.#add('/', []);
  }

  /** The cgroup at an absolute path (`/system.slice/nginx.service`), created with its parents where it is missing. */
  at(path: string): Cgroup {
    if (!path.startsWith('/')) throw new Error(`cgroup "${path}" is not an absolute path; write "/${path}"`);
    const names = path.split('/').filter((name) => name !== '');
    if (names.length > MAX_LEVEL)
      throw new Error(`cgroup "${path}" is ${names.length} levels deep; the simulated kernel has at most ${MAX_LEVEL}`);
    let cgroup = this.root;
    for (const name of names) {
      const childPath = cgroup === this.root ? `/${name}` : `${cgroup.path}/${name}`;
      cgroup = this.#byPath.get(childPath) ?? this.#add(childPath, cgroup.ancestors);
    }
    return cgroup;
  }

  byPath(path: string): Cgroup | undefined {
    return this.#byPath.get(path.length > 1 ? path.replace(/\/+$/, '') : path);
  }

  byId(id: bigint): Cgroup | undefined {
    return this.#byId.get(id);
  }

  #add(path: string, above: readonly Cgroup[]): Cgroup {
    const cgroup = new Cgroup(this.#memory, path, this.#nextId++, above);
    this.#byPath.set(path, cgroup);
    this.#byId.set(cgroup.id, cgroup);
    return cgroup;
  }
}
