import { isDeepStrictEqual } from 'node:util';
import { type Document, Lexer, parseAllDocuments } from 'yaml';
import { formatCondition } from '../rules/index.ts';
import type { Path } from './document.ts';
import { formatYaml } from './format-yaml.ts';

/** Whether the text at a path of a policy document, or of a Falco rules file, is a condition. */
const isCondition = (path: Path, isFalco: boolean): boolean => {
  if (isFalco) return path.length === 2 && path[1] === 'condition';
  const [spec, part, , ...rest] = path;
  if (spec !== 'spec') return false;
  return part === 'macros' ? path.length === 3 : part === 'rules' && rest.at(-1) === 'condition';
};

const isFalcoDocument = (document: Document): boolean => Array.isArray(document.toJS());

/** A document's data with its conditions in one form. */
const meaningOf = (document: Document): unknown => {
  const isFalco = isFalcoDocument(document);
  const visit = (value: unknown, path: Path): unknown => {
    if (typeof value === 'string') return isCondition(path, isFalco) ? (formatCondition(value) ?? value.trim()) : value;
    if (Array.isArray(value)) return value.map((item, index) => visit(item, [...path, index]));
    if (typeof value !== 'object' || value === null) return value;
    return Object.entries(value).map(([key, inner]) => [key, visit(inner, [...path, key])]);
  };
  return visit(document.toJS({ maxAliasCount: 0 }), []);
};

const commentsOf = (text: string): readonly string[] =>
  [...new Lexer().lex(text)]
    .filter((token) => token.startsWith('#'))
    .map((token) => token.trim())
    .sort();

const parsed = (text: string): readonly Document[] => {
  const documents = parseAllDocuments(text, { prettyErrors: false, logLevel: 'error' });
  return Array.isArray(documents) ? documents : [];
};

/**
 * The text of a policy file or Falco rules file in its normal form; the same text in it comes to the same policies. Undefined for one that isn't
 * YAML, or that is written in a way which would not stay the same.
 */
export const formatPolicyText = (text: string): string | undefined => {
  const source = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  const documents = parsed(source);
  if (documents.length === 0 || documents.some(({ errors }) => errors.length > 0)) return undefined;
  const kinds = documents.map(isFalcoDocument);
  const outputs = documents.map((document, index) => {
    const isFalco = kinds[index] === true;
    return formatYaml(source, [document], {
      formatted: (path, condition, width) =>
        isCondition(path, isFalco) ? formatCondition(condition, { width }) : undefined,
    });
  });
  if (outputs.includes(undefined)) return undefined;
  const formatted = outputs
    .map((output = '', index) => (index > 0 && !output.startsWith('---\n') ? `---\n${output}` : output))
    .join('');
  const again = parsed(formatted);
  const same =
    again.length === documents.length &&
    again.every(({ errors }) => errors.length === 0) &&
    isDeepStrictEqual(again.map(meaningOf), documents.map(meaningOf)) &&
    isDeepStrictEqual(commentsOf(formatted), commentsOf(source));
  return same ? formatted : undefined;
};
