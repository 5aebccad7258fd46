import type { z } from 'zod';
import type { Diagnostic } from '../../rules/index.ts';
import { formatPath, type Path, type SourceDocument } from '../document.ts';
import { diagnostic } from '../messages.ts';
import { describe, salvage, schemaDiagnostics } from '../schema-issues.ts';
import { FalcoPluginsSchema } from './falco-schema.ts';

/** The newest version of Falco's engine whose rules are understood; an integer n is 0.n. */
const ENGINE = [0, 63] as const;
/** Falco's plugins whose fields are there without one. */
const BUILT_IN: ReadonlySet<string> = new Set(['container']);

const VERSION = /^(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(?:[-+][\w.+-]+)?$/;

type Report = (...found: readonly Diagnostic[]) => void;

/** Checks `required_engine_version`; false where rules may need what isn't there. */
export const checkEngine = (document: SourceDocument, entry: Path, report: Report): boolean => {
  const path: Path = [...entry, 'required_engine_version'];
  const field = formatPath(path);
  const expected = 'a version such as 0.57.0, or a whole number';
  const text = document.textAt(path)?.value.trim();
  const [, first, second] = VERSION.exec(text ?? '') ?? [];
  const number = text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  const [major, minor] = number !== undefined ? [0, number] : [Number(first), Number(second)];
  if (text === undefined || (number === undefined && first === undefined)) {
    const found = text === undefined ? describe(valueIn(document.data, path)) : describe(text);
    report(diagnostic('wrong-value', document.valueAt(path), field, { where: field, found, expected }));
    return true;
  }
  if (major < ENGINE[0] || (major === ENGINE[0] && minor <= ENGINE[1])) return true;
  const supported = ENGINE.join('.');
  const detail = { version: text, supported, expected: `${supported} or older` };
  report(diagnostic('version-too-new', document.valueAt(path), field, detail));
  return false;
};

const valueIn = (data: unknown, path: Path): unknown =>
  path.reduce<unknown>((value, key) => (value as Readonly<Record<string | number, unknown>> | undefined)?.[key], data);

/** Checks `required_plugin_versions`: rules of plugins that aren't there are left out, by their source. */
export const checkPlugins = (document: SourceDocument, data: unknown, entry: Path, report: Report): void => {
  const checked = FalcoPluginsSchema.safeParse(data);
  if (!checked.success) {
    const { issues } = checked.error;
    report(...schemaDiagnostics(issues, { document, schema: FalcoPluginsSchema, base: entry, unknownKeys: 'warning' }));
  }
  const written =
    salvage<z.infer<typeof FalcoPluginsSchema>>(data, checked.error?.issues ?? []).required_plugin_versions ?? [];
  for (const [index, plugin] of written.entries()) {
    if (plugin?.name === undefined) continue;
    const { name, alternatives = [] } = plugin;
    const names = alternatives.flatMap((alternative) => alternative?.name ?? []);
    if ([name, ...names].some((each) => BUILT_IN.has(each))) continue;
    const path: Path = [...entry, 'required_plugin_versions', index, 'name'];
    report(
      diagnostic('plugin-not-there', document.valueAt(path), formatPath(path), { plugin: name, alternatives: names }),
    );
  }
};
