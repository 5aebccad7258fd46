import { categoryOf } from '../../rules/index.ts';

/** An event's place in ECS's hierarchy: allowed values of event.category, and of event.type expected there. */
export interface EcsCategory {
  readonly category: 'file' | 'network' | 'process' | 'driver' | 'host';
  readonly type: readonly string[];
}

const kind = (category: EcsCategory['category'], ...type: string[]): EcsCategory => ({ category, type });

/** By event type, where its evt.category does not say enough. */
const BY_TYPE: Readonly<Record<string, EcsCategory>> = Object.fromEntries(
  (
    [
      ['creat mkdir mkdirat mknod mknodat link linkat symlink symlinkat memfd_create', kind('file', 'creation')],
      ['unlink unlinkat rmdir', kind('file', 'deletion')],
      [
        'rename renameat renameat2 chmod fchmod fchmodat chown fchown lchown fchownat truncate ftruncate utimensat copy_file_range',
        kind('file', 'change'),
      ],
      ['mount umount2 pivot_root chroot', kind('host', 'change')],
      ['connect accept accept4', kind('network', 'connection', 'start')],
      ['clone clone3 fork vfork execve execveat', kind('process', 'start')],
      ['exit exit_group procexit', kind('process', 'end')],
      ['ptrace process_vm_readv', kind('process', 'access')],
      ['init_module finit_module', kind('driver', 'start')],
      ['delete_module', kind('driver', 'end')],
      ['sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg', kind('network', 'info')],
    ] as const
  ).flatMap(([types, place]) => types.split(' ').map((type) => [type, place] as const)),
);

/** By evt.category; what is in neither is about the process. */
const BY_CATEGORY: Readonly<Record<string, EcsCategory>> = {
  file: kind('file', 'access'),
  net: kind('network', 'info'),
  process: kind('process', 'change'),
  signal: kind('process', 'change'),
  memory: kind('process', 'change'),
  user: kind('process', 'change'),
  system: kind('host', 'change'),
  'I/O read': kind('file', 'access'),
  'I/O write': kind('file', 'change'),
};

/** Where an event type stands in ECS. */
export const ecsCategoryOf = (event: string): EcsCategory =>
  BY_TYPE[event] ?? BY_CATEGORY[categoryOf(event)] ?? kind('process', 'info');
