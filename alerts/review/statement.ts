import type { DuckDBConnection } from '@duckdb/node-api';
import { QueryError } from './query-error.ts';

/** Table functions that read nothing but their arguments. Others read files, or change how DuckDB runs. */
const TABLE_FUNCTIONS: ReadonlySet<string> = new Set([
  'generate_series',
  'json_each',
  'json_tree',
  'range',
  'repeat',
  'repeat_row',
  'unnest',
]);

const EXPLAIN = /^\s*explain\s+(?:analyze\s+)?/i;

/** What DuckDB says of a text that it parsed. */
interface Serialized {
  readonly error: boolean;
  readonly error_type?: string;
  readonly statements?: readonly unknown[];
}

/** The names of all table functions in a parsed statement. */
const tableFunctionsOf = (node: unknown): readonly string[] => {
  if (typeof node !== 'object' || node === null) return [];
  const { type, function: called } = node as { type?: unknown; function?: { function_name?: unknown } };
  const own = type === 'TABLE_FUNCTION' ? [String(called?.function_name)] : [];
  return [...own, ...Object.values(node).flatMap(tableFunctionsOf)];
};

const refuse = (message: string): never => {
  throw new QueryError('query', message);
};

const ONLY = 'a query is one SELECT (or WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, EXPLAIN)';

/**
 * Makes sure that a text is one statement that only reads tables, before DuckDB runs any of it.
 * @param said what DuckDB says of a text that it can't parse, for people
 */
export const checkStatement = async (
  sql: string,
  connection: DuckDBConnection,
  said: (error: unknown) => QueryError,
): Promise<void> => {
  const asked = sql.replace(EXPLAIN, '');
  const reader = await connection.runAndReadAll('SELECT json_serialize_sql($1::VARCHAR)', [asked]);
  const { error, error_type, statements = [] } = JSON.parse(String(reader.getRows()[0]?.[0])) as Serialized;
  if (error && error_type === 'parser') {
    try {
      await connection.extractStatements(sql);
    } catch (thrown) {
      throw said(thrown);
    }
  }
  if (error) refuse(`${ONLY}; it reads the log and changes nothing`);
  if (statements.length === 0) refuse(`there is no statement; ${ONLY}`);
  if (statements.length > 1) refuse(`there are ${statements.length} statements; ${ONLY}`);
  const other = tableFunctionsOf(statements).find((name) => !TABLE_FUNCTIONS.has(name.toLowerCase()));
  if (other !== undefined)
    refuse(
      `a query reads the log's tables and nothing else: it can't call ${other}; in FROM are ${[...TABLE_FUNCTIONS].join(', ')}`,
    );
};
