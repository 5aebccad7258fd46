import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Diagnostic, Position } from '../rules/index.ts';
import type { SourceDocument } from './document.ts';
import { type FalcoSource, readFalco } from './formats/falco.ts';
import { readNative } from './formats/native.ts';
import { createIgnores, type Ignore } from './ignores.ts';
import { diagnostic } from './messages.ts';
import type { LoadResult, Policy } from './policy.ts';
import { MAX_FILE_BYTES, POLICY, readYaml } from './yaml.ts';

/** The name of folders that hold enforcing variants. */
const ENFORCING_FOLDER = 'enforce';

export interface LoadOptions {
  /** Also walk into folders named `enforce`, which hold the enforcing variants; one that is named itself is always read. */
  readonly enforcing?: boolean;
}

interface PolicyFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

const isYaml = (name: string): boolean => /\.ya?ml$/.test(name);
const startOf = (file: string): Position => ({ file, line: 1, column: 1 });
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The YAML files below a folder in the order of their paths. */
const walk = (folder: string, options: LoadOptions): readonly string[] =>
  readdirSync(folder, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      const stats = entry.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : entry;
      if (entry.isDirectory()) {
        return entry.name === ENFORCING_FOLDER && options.enforcing !== true ? [] : walk(path, options);
      }
      return stats?.isFile() === true && isYaml(entry.name) ? [path] : [];
    });

/** The files that paths stand for, each once. */
const filesOf = (
  paths: readonly string[],
  options: LoadOptions,
  report: (found: Diagnostic) => void,
): readonly string[] => {
  const files = new Map<string, string>();
  for (const path of paths) {
    try {
      const stats = statSync(path, { throwIfNoEntry: false });
      if (stats === undefined) {
        report(diagnostic('file-not-found', startOf(path), undefined, { path }));
      } else if (stats.isDirectory()) {
        const found = walk(path, options);
        if (found.length === 0) report(diagnostic('no-policies', startOf(path), undefined, { path }));
        for (const file of found) if (!files.has(resolve(file))) files.set(resolve(file), file);
      } else if (!files.has(resolve(path))) {
        files.set(resolve(path), path);
      }
    } catch (error) {
      report(diagnostic('file-unreadable', startOf(path), undefined, { path, reason: reasonOf(error) }));
    }
  }
  return [...files.values()];
};

const readFiles = (paths: readonly string[], report: (found: Diagnostic) => void): readonly PolicyFile[] =>
  paths.flatMap((path) => {
    try {
      const { size: bytes } = statSync(path);
      if (bytes <= MAX_FILE_BYTES) return [{ path, bytes: readFileSync(path) }];
      report(diagnostic('file-too-large', startOf(path), undefined, { ...POLICY, bytes, limit: MAX_FILE_BYTES }));
    } catch (error) {
      report(diagnostic('file-unreadable', startOf(path), undefined, { path, reason: reasonOf(error) }));
    }
    return [];
  });

const isFalco = ({ data }: SourceDocument): boolean => Array.isArray(data);

/** Keeps the first policy of each name. */
const withoutDuplicates = (
  found: readonly { readonly policy: Policy; readonly position: Position }[],
  report: (found: Diagnostic) => void,
): readonly Policy[] => {
  const first = new Map<string, Position>();
  return found.flatMap(({ policy, position }) => {
    const other = first.get(policy.name);
    if (other === undefined) {
      first.set(policy.name, position);
      return [policy];
    }
    const detail = { policy: policy.name, file: other.file, line: other.line };
    report(diagnostic('duplicate-policy', position, 'metadata.name', detail));
    return [];
  });
};

const load = (files: readonly PolicyFile[], before: readonly Diagnostic[]): LoadResult => {
  const diagnostics: Diagnostic[] = [...before];
  const report = (...found: readonly Diagnostic[]): void => void diagnostics.push(...found);
  const policies: { policy: Policy; position: Position }[] = [];
  const falco: FalcoSource[] = [];
  const ignored: Ignore[] = [];
  for (const { path, bytes } of files) {
    const hash = createHash('sha256').update(bytes).digest('hex');
    const yaml = readYaml(path, bytes);
    report(...yaml.diagnostics);
    ignored.push(...(yaml.ignores ?? []));
    for (const document of yaml.documents) {
      if (isFalco(document)) {
        falco.push({ document, hash });
        continue;
      }
      const { policy, namePosition, diagnostics: found } = readNative(document, hash);
      report(...found.filter(document.isCertain));
      if (policy !== undefined && document.sound) policies.push({ policy, position: namePosition });
    }
  }
  const rules = readFalco(falco);
  report(...rules.diagnostics);
  policies.push(...rules.policies.map((policy) => ({ policy, position: startOf(policy.file) })));
  const kept = withoutDuplicates(policies, report);
  const order = new Map(files.map((file, index) => [file.path, index]));
  const ignores = createIgnores(ignored);
  const rank = (file: string): number => order.get(file) ?? -1;
  return {
    policies: kept.toSorted((a, b) => rank(a.file) - rank(b.file)),
    ignores,
    diagnostics: ignores
      .filter(diagnostics)
      .toSorted((a, b) => rank(a.file) - rank(b.file) || a.line - b.line || a.column - b.column),
  };
};

/** Loads the policies in one file's text; `file` is the name that diagnostics give. */
export const loadPolicyText = (file: string, text: string): LoadResult =>
  load([{ path: file, bytes: new TextEncoder().encode(text) }], []);

/**
 * Loads policies from files, and from folders with all their .yaml and .yml files in the order of their names. Falco rules files
 * among them share their lists, macros and rules, in the order of loading. Never throws: what is wrong is in the diagnostics,
 * in the order of their places, and the policies are those that are right.
 */
export const loadPolicies = (paths: readonly string[], options: LoadOptions = {}): LoadResult => {
  const diagnostics: Diagnostic[] = [];
  const report = (found: Diagnostic): void => void diagnostics.push(found);
  const files = filesOf(paths, options, report);
  return load(readFiles(files, report), diagnostics);
};

/** The files that paths stand for, each once, as `loadPolicies` reads them; paths that can't be read are left out. */
export const policyFiles = (paths: readonly string[], options: LoadOptions = {}): readonly string[] =>
  filesOf(paths, options, () => undefined);
