import type { Btf } from '../object/index.ts';

/**
 * Members through which a pointer leads that can be relied on to another such, where the kernel's tags don't say so; `nullable` ones
 * may be null (BTF_TYPE_SAFE_RCU, BTF_TYPE_SAFE_RCU_OR_NULL, BTF_TYPE_SAFE_TRUSTED and _OR_NULL of kernel/bpf/verifier.c).
 */
const SAFE: Readonly<Record<string, Readonly<Record<string, 'always' | 'nullable'>>>> = {
  task_struct: { cpus_ptr: 'always', cgroups: 'always', real_parent: 'always', group_leader: 'always' },
  cgroup: { kn: 'always' },
  css_set: { dfl_cgrp: 'always' },
  cgroup_subsys_state: { cgroup: 'always' },
  mm_struct: { exe_file: 'nullable' },
  sk_buff: { sk: 'nullable' },
  request_sock: { sk: 'nullable' },
  bpf_iter_meta: { seq: 'always' },
  bpf_iter__task: { meta: 'always', task: 'always' },
  linux_binprm: { file: 'always' },
  file: { f_inode: 'always' },
  socket: { sk: 'nullable' },
  vm_area_struct: { vm_mm: 'nullable', vm_file: 'nullable' },
};

/** Whether the pointer at an offset of a struct that can be relied on can be too, and whether it may be null. */
export function trustAt(btf: Btf, struct: number, offset: number): 'always' | 'nullable' | undefined {
  const type = btf.type(struct);
  if (type.kind !== 'struct') return undefined;
  const members = SAFE[type.name];
  const member = members && type.members.find((each) => each.offset === offset && each.name in members);
  return member && members[member.name];
}
