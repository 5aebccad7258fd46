import { strictEqual } from 'node:assert';
import type { Host, Task } from './host.ts';

/** Arguments of calls (include/uapi/linux/fcntl.h, socket.h). */
export const [AT_FDCWD, AT_EMPTY_PATH, O_CREAT_WRONLY] = [-100, 0x1000, 0o101];
export const [AF_INET, SOCK_STREAM] = [2, 1];

/** Opens a file; new ones are everybody's to read. */
export const open = (task: Task, path: string, flags = 0): Promise<number> =>
  task.call('openat', [AT_FDCWD, path, flags, 0o644]);

/** Makes an empty file in the host's folder and returns its path. */
export const make = async (host: Host, name: string): Promise<string> => {
  const path = `${host.folder}/${name}`;
  const fd = await open(host.task, path, O_CREAT_WRONLY);
  strictEqual(fd >= 0, true);
  strictEqual(await host.task.call('close', [fd]), 0);
  return path;
};

/** struct sockaddr_in of a port of 127.0.0.1. */
export const loopback = (port: number): Uint8Array =>
  Uint8Array.from([AF_INET, 0, port >> 8, port & 0xff, 127, 0, 0, 1, ...new Uint8Array(8)]);

/** Connects a new socket to a port of 127.0.0.1 and closes it; returns what connect did. */
export const connect = async (host: Host, port: number, task = host.task): Promise<number> => {
  const fd = await task.call('socket', [AF_INET, SOCK_STREAM, 0]);
  strictEqual(fd >= 0, true);
  const result = await task.call('connect', [fd, loopback(port), 16]);
  await task.call('close', [fd]);
  return result;
};
