import { describe, expect, it } from 'vitest';
import { containerOf } from '../../../sensors/index.ts';

const ID = '3f4e2c1b0a9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f';
const SHORT = '3f4e2c1b0a9d';
const POD = 'kubepods-burstable-pod0b2c1d3e_aaaa_bbbb_cccc_0123456789ab.slice';

describe('the container of a cgroup', () => {
  it.each([
    ['Docker with systemd', `/system.slice/docker-${ID}.scope`],
    ['Docker with cgroupfs', `/docker/${ID}`],
    ['Docker, below the container', `/docker/${ID}/init.scope`],
    ['containerd with systemd', `/kubepods.slice/kubepods-burstable.slice/${POD}/cri-containerd-${ID}.scope`],
    ['containerd with cgroupfs', `/kubepods/besteffort/pod0b2c1d3e-aaaa-bbbb-cccc-0123456789ab/${ID}`],
    ['CRI-O', `/kubepods.slice/${POD}/crio-${ID}.scope`],
    ['CRI-O, its own container scope', `/kubepods.slice/${POD}/crio-${ID}.scope/container`],
    ['Podman as root', `/machine.slice/libpod-${ID}.scope`],
    ['Podman as root, its container cgroup', `/machine.slice/libpod-${ID}.scope/container`],
    ['Podman of a user', `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope/container`],
  ])('%s: %s', (_, cgroup) => {
    expect(containerOf(cgroup)).toBe(SHORT);
  });

  it.each([
    '/',
    '/system.slice/ssh.service',
    '/init.scope',
    `/system.slice/docker-${ID.slice(1)}.scope`,
    `/system.slice/${ID}0`,
    `/system.slice/x${ID}.service`,
    `/machine.slice/libpod-conmon-${ID.toUpperCase()}.scope`,
  ])('is none: %s', (cgroup) => {
    expect(containerOf(cgroup)).toBe('host');
  });

  it('is the innermost one', () => {
    const inner = 'a'.repeat(64);
    expect(containerOf(`/docker/${ID}/docker/${inner}`)).toBe('a'.repeat(12));
  });
});
