/** A control group of the v2 hierarchy. */
export interface Cgroup {
  readonly path: string;
  /** What bpf_get_current_cgroup_id returns. */
  readonly id: bigint;
  /** From the root to itself; its own level is the last index. */
  readonly ancestors: readonly Cgroup[];
}

/** The control groups there are. */
export class Cgroups {
  readonly root: Cgroup;
  readonly #byPath = new Map<string, Cgroup>();
  readonly #byId = new Map<bigint, Cgroup>();
  #nextId = 1n;

  constructor() {
    this.root = this.#add('/', []);
  }

  /** The cgroup at an absolute path (`/system.slice/nginx.service`), created with its parents where it is missing. */
  at(path: string): Cgroup {
    if (!path.startsWith('/')) throw new Error(`cgroup "${path}" is not an absolute path; write "/${path}"`);
    let cgroup = this.root;
    for (const name of path.split('/')) {
      if (name === '') continue;
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

  #add(path: string, ancestors: readonly Cgroup[]): Cgroup {
    const above = [...ancestors];
    const cgroup: Cgroup = { path, id: this.#nextId++, ancestors: above };
    above.push(cgroup);
    this.#byPath.set(path, cgroup);
    this.#byId.set(cgroup.id, cgroup);
    return cgroup;
  }
}
