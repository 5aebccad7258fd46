import { describe, expect, it } from 'vitest';
import { directoryOf, filenameOf, normalPath, pathValue } from '../../../sensors/events/paths.ts';
import { record, type Said } from './record.ts';

describe('a path in its normal form', () => {
  it.each([
    ['/', '/'],
    ['/etc/shadow', '/etc/shadow'],
    ['//etc///shadow/', '/etc/shadow'],
    ['/etc/./shadow/.', '/etc/shadow'],
    ['/etc/x/../shadow', '/etc/shadow'],
    ['/../../etc', '/etc'],
    ['/a/b/c/../../..', '/'],
    ['/.../..x/x..', '/.../..x/x..'],
  ])('%s is %s', (path, expected) => {
    expect(normalPath(path)).toBe(expected);
  });

  it.each([
    ['/', '/', ''],
    ['/etc', '/', 'etc'],
    ['/etc/shadow', '/etc', 'shadow'],
  ])('%s lies in %s as "%s"', (path, directory, filename) => {
    expect([directoryOf(path), filenameOf(path)]).toEqual([directory, filename]);
  });
});

describe('the path of a record', () => {
  const value = (strings: Said['strings'], name: 'file' | 'path' | 'path2' = 'path') =>
    pathValue(record({ event: 'openat', ...(strings && { strings }) }), name, 'contestable');
  const present = (text: string, trust: string) => ({ state: 'present', value: text, trust });

  it('is as the kernel resolved it', () => {
    expect(value({ file: { state: 'present', text: '/a/b' } }, 'file')).toEqual(present('/a/b', 'contestable'));
  });

  it('that the caller passed is put into its normal form', () => {
    expect(value({ path: { state: 'present', text: '/a//../b', passed: true } })).toEqual(present('/b', 'as passed'));
  });

  it('that is relative starts from its own folder', () => {
    const relative = { state: 'relative', text: '../x', passed: true } as const;
    const base = { state: 'present', text: '/a/b' } as const;
    expect(value({ path: relative, base })).toEqual(present('/a/x', 'as passed'));
    expect(value({ file: relative, base }, 'file')).toEqual(present('/a/x', 'as passed'));
    expect(value({ path2: relative, base2: base }, 'path2')).toEqual(present('/a/x', 'as passed'));
    expect(value({ path: relative })).toEqual({ state: 'unknown' });
    expect(value({ path: relative, base: { state: 'unknown', text: '' } })).toEqual({ state: 'unknown' });
  });

  it('is unknown where it could not be read, and absent where there is none', () => {
    expect(value({ path: { state: 'unknown', text: 'part' } })).toEqual({ state: 'unknown' });
    expect(value({ path: { state: 'absent', text: '' } })).toEqual({ state: 'absent' });
    expect(value({})).toEqual({ state: 'unknown' });
  });
});
