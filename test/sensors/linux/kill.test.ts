import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { killProcess } from '../../../sensors/linux/kill.ts';
import { ownPid } from '../../../sensors/linux/own-pid.ts';
import { kernelSkip } from '../../support/kernel.ts';

const TICK = 10_000_000n;

describe.skipIf(kernelSkip())('killProcess', () => {
  it('kills the process that started then, and no other of its id', async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child, 'spawn');
    const pid = child.pid ?? 0;
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const start = BigInt(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '') * TICK;
    if (ownPid() !== process.pid) {
      expect(killProcess(pid, start)).toBe('refused');
      return;
    }
    expect(killProcess(pid, start - TICK)).toBe('gone');
    expect(child.signalCode).toBeNull();
    const exited = once(child, 'exit');
    expect(killProcess(pid, start + 4_000_000n)).toBe('killed');
    expect(await exited).toEqual([null, 'SIGKILL']);
    expect(killProcess(pid, start)).toBe('gone');
  });
});
