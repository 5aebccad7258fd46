// Writes an archive that the kernel unpacks as its first root file system: cpio, "newc" format
// (Documentation/driver-api/early-userspace/buffer-format.rst).
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

const [DIRECTORY, FILE, LINK, DEVICE] = [0o040000, 0o100000, 0o120000, 0o020000];
const MAGIC = '070701';
const pad = (length) => Buffer.alloc((4 - (length % 4)) % 4);
const hex = (value) => value.toString(16).padStart(8, '0');

/** A new archive at `path`. Paths in it have no leading slash; directories must come before what they hold, which `file` and `link` see to. */
export const createArchive = (path) => {
  const out = openSync(path, 'w');
  const made = new Set();
  let inode = 0;
  const entry = (name, mode, content, device = [0, 0]) => {
    const nameBytes = Buffer.from(`${name}\0`);
    const fields = [++inode, mode, 0, 0, 1, 0, content.length, 0, 0, ...device, nameBytes.length, 0];
    const header = Buffer.from(MAGIC + fields.map(hex).join(''));
    for (const part of [header, nameBytes, pad(header.length + nameBytes.length), content, pad(content.length)])
      writeSync(out, part);
  };
  const parents = (name) => {
    const parts = name.split('/').slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) directory(parts.slice(0, depth).join('/'));
  };
  const directory = (name) => {
    if (made.has(name)) return;
    parents(name);
    made.add(name);
    entry(name, DIRECTORY | 0o755, Buffer.alloc(0));
  };
  const once = (name, write) => {
    if (made.has(name)) return;
    parents(name);
    made.add(name);
    write();
  };
  return {
    directory,
    device: (name, major, minor) => once(name, () => entry(name, DEVICE | 0o600, Buffer.alloc(0), [major, minor])),
    text: (name, text, mode = 0o644) => once(name, () => entry(name, FILE | mode, Buffer.from(text))),
    file: (name, source, mode = 0o644) => once(name, () => entry(name, FILE | mode, readFileSync(source))),
    link: (name, target) => once(name, () => entry(name, LINK | 0o777, Buffer.from(target))),
    close() {
      entry('TRAILER!!!', 0, Buffer.alloc(0));
      closeSync(out);
    },
  };
};
