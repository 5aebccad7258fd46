import { describe, expect, it } from 'vitest';
import { call } from '../../engine/isa/index.ts';
import { helperById, helperNameOf, mayCall } from '../../engine/vm/index.ts';
import { kernelSkip } from '../support/kernel.ts';
import { isOlderKernel, KINDS, type Kind, logOf } from './kinds.ts';

const skip = kernelSkip();
const LAST_HELPER = 211;

/** What a kernel may be built or locked down without. */
const BY_CONFIGURATION = new Set(['bpf_probe_write_user', 'bpf_override_return']);

/** Those that need map types which the machine does not have: cgroup_storage, sk_storage and user_ringbuf. */
const WITHOUT_MAPS = ['bpf_get_local_storage', 'bpf_sk_storage_delete', 'bpf_sk_storage_get', 'bpf_user_ringbuf_drain'];

/** Whether the kernel knows the helper for programs of that kind; whatever else stands against the call comes later in its verifier. */
const kernelMayCall = (kind: Kind, id: number): boolean =>
  !/cannot use helper|unknown func|invalid func|is not allowed in probe/.test(logOf(kind, call(id)));

/** bpf_get_stackid is free to all in perf_event programs, which have a variant of their own. */
const isFreeOnlyThere = (kind: string, id: number): boolean =>
  kind === 'perf_event' && helperNameOf(id) === 'bpf_get_stackid';

const IDS = Array.from({ length: LAST_HELPER }, (_, index) => index + 1);
const namesOf = (ids: readonly number[]): (string | undefined)[] => ids.map(helperNameOf);

describe.skipIf(skip || isOlderKernel())('who may call a helper is what the running kernel says', () => {
  it.each(Object.entries(KINDS))('%s', (_, kind) => {
    const offered = IDS.filter((id) => helperById(id) && !BY_CONFIGURATION.has(helperNameOf(id)!));
    const ours = offered.filter((id) => mayCall(helperById(id)!, kind));
    expect(namesOf(ours)).toEqual(namesOf(offered.filter((id) => kernelMayCall(kind, id))));
    expect(ours.length).toBeGreaterThan(60);
  });

  it('every helper of tracing and cgroup programs is in the table, but for maps that are not there', () => {
    const kinds = Object.values(KINDS).filter(
      ({ programType }) => !['sched_cls', 'xdp', 'socket_filter'].includes(programType),
    );
    const missing = IDS.filter((id) => !helperById(id) && kinds.some((kind) => kernelMayCall(kind, id)));
    expect(namesOf(missing).sort()).toEqual(WITHOUT_MAPS);
  });

  it.each(['kprobe', 'tc', 'xdp', 'perf_event', 'cgroup_skb/ingress', 'cgroup/connect4', 'iter/task', 'syscall'])(
    '%s: which helpers only a GPL-compatible program may call',
    (name) => {
      const kind = KINDS[name]!;
      const offered = IDS.filter((id) => helperById(id) && kernelMayCall(kind, id));
      const ours = offered.filter((id) => helperById(id)!.gplOnly);
      const kernels = offered.filter(
        (id) => logOf(kind, call(id), 'Proprietary').includes('GPL-restricted') || isFreeOnlyThere(name, id),
      );
      expect(namesOf(ours)).toEqual(namesOf(kernels));
    },
  );

  it.each(['kprobe', 'tc', 'cgroup/connect4', 'tp_btf'])(
    '%s: which helpers only a sleepable program may call',
    (name) => {
      const kind = KINDS[name]!;
      const offered = IDS.filter((id) => helperById(id) && kernelMayCall(kind, id));
      const ours = offered.filter((id) => helperById(id)!.sleepable);
      const kernels = offered.filter((id) => /might sleep|sleepable helper/.test(logOf(kind, call(id))));
      expect(namesOf(ours)).toEqual(namesOf(kernels));
    },
  );
});
