/** Why a query has no answer: the query is wrong, or asks for what it may not have; it needs too much memory; the log is damaged, or changed; it was interrupted. */
export type QueryErrorCode = 'query' | 'memory' | 'damaged' | 'changed' | 'interrupted' | 'environment';

/** A query without an answer, in sentences that say what to do. */
export class QueryError extends Error {
  readonly code: QueryErrorCode;
  constructor(code: QueryErrorCode, message: string) {
    super(message);
    this.name = 'QueryError';
    this.code = code;
  }
}
