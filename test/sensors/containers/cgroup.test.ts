import { describe, expect, it } from 'vitest';
import { type CgroupContainer, containersInCgroup } from '../../../sensors/index.ts';

const ID = '3f4e2c1b0a9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f';
const UID = '0b2c1d3e-aaaa-bbbb-cccc-0123456789ab';
const POD = `kubepods-burstable-pod${UID.replaceAll('-', '_')}.slice`;
const STATIC = '8b1c2d3e4f5061728394a5b6c7d8e9f0';

describe('the container of a cgroup', () => {
  it.each<[string, string, Omit<CgroupContainer, 'id' | 'path'>]>([
    ['Docker with systemd', `/system.slice/docker-${ID}.scope`, { runtime: 'docker' }],
    ['Docker with cgroupfs', `/docker/${ID}`, { runtime: 'docker' }],
    ['Docker, below the container', `/docker/${ID}/init.scope`, { runtime: 'docker' }],
    ['Docker under a parent of its own', `/mine.slice/${ID}`, {}],
    [
      'containerd with systemd',
      `/kubepods.slice/kubepods-burstable.slice/${POD}/cri-containerd-${ID}.scope`,
      { runtime: 'containerd', podUid: UID },
    ],
    ['containerd with cgroupfs', `/kubepods/besteffort/pod${UID}/${ID}`, { podUid: UID }],
    ['a guaranteed pod', `/kubepods/pod${UID}/${ID}`, { podUid: UID }],
    [
      "containerd with the other driver's path",
      `/system.slice/containerd.service/${POD}:cri-containerd:${ID}`,
      { runtime: 'containerd' },
    ],
    ['nerdctl', `/system.slice/nerdctl-${ID}.scope`, { runtime: 'containerd' }],
    ['CRI-O', `/kubepods.slice/${POD}/crio-${ID}.scope`, { runtime: 'cri-o', podUid: UID }],
    [
      'CRI-O, its own container scope',
      `/kubepods.slice/${POD}/crio-${ID}.scope/container`,
      { runtime: 'cri-o', podUid: UID },
    ],
    ['CRI-O with cgroupfs', `/kubepods/pod${UID}/crio-${ID}`, { runtime: 'cri-o', podUid: UID }],
    [
      'a static pod',
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${STATIC}.slice/cri-containerd-${ID}.scope`,
      { runtime: 'containerd', podUid: STATIC },
    ],
    ['Podman as root', `/machine.slice/libpod-${ID}.scope`, { runtime: 'podman' }],
    ['Podman as root, its container cgroup', `/machine.slice/libpod-${ID}.scope/container`, { runtime: 'podman' }],
    ['Podman with cgroupfs', `/libpod_parent/libpod-${ID}`, { runtime: 'podman' }],
    ['Podman with split cgroups', `/system.slice/web.service/libpod-payload-${ID}`, { runtime: 'podman' }],
    [
      'Podman of a user',
      `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope/container`,
      { runtime: 'podman', user: 1000 },
    ],
    ['a runtime of another name', `/machine.slice/other-${ID}.scope`, {}],
  ])('%s: %s', (_, cgroup, said) => {
    const path = cgroup.replace(/\/(?:init\.scope|container)$/, '');
    expect(containersInCgroup(cgroup)).toEqual([{ id: ID, path, ...said }]);
  });

  it.each([
    '/',
    '',
    '/system.slice/ssh.service',
    '/init.scope',
    `/system.slice/docker-${ID.slice(1)}.scope`,
    `/system.slice/${ID}0`,
    `/system.slice/x${ID}.service`,
    `/system.slice/docker-${ID}.service`,
    `/machine.slice/libpod-conmon-${ID}.scope`,
    `/kubepods.slice/${POD}/crio-conmon-${ID}.scope`,
    `/machine.slice/libpod-${ID.toUpperCase()}.scope`,
    `/kubepods.slice/${POD}`,
  ])('is none: %s', (cgroup) => {
    expect(containersInCgroup(cgroup)).toEqual([]);
  });

  it('is found in a container, outermost first', () => {
    const inner = 'a'.repeat(64);
    const path = `/system.slice/docker-${ID}.scope/kubelet.slice/${POD}/cri-containerd-${inner}.scope`;
    expect(containersInCgroup(path)).toEqual([
      { id: ID, path: `/system.slice/docker-${ID}.scope`, runtime: 'docker' },
      { id: inner, path, runtime: 'containerd', podUid: UID },
    ]);
  });
});
