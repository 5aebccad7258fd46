import { PRIORITIES } from '../../rules/index.ts';
import { FILE_FIELDS } from './file-fields.ts';

/** A column of a table that queries see. */
export interface LogColumn {
  readonly name: string;
  readonly type: string;
  readonly meaning: string;
  /** What it is made of, in SQL, over the lines of the log. */
  readonly sql: string;
}

/** A table that queries see; a view over the log's lines. */
export interface LogTable {
  readonly name: string;
  readonly meaning: string;
  readonly columns: readonly LogColumn[];
  /** Where its rows come from, in SQL. */
  readonly from: string;
}

/** The view of all lines, with their bodies' members as columns of a struct: only those that a query needs are read. */
const LINES = 'source.lines';
/** The same with bodies as JSON. */
const BODIES = 'source.bodies';

/** Members of bodies that are one text, number or truth value; read as text, so that none of another type can end a query. */
const SCALARS =
  `id time host policy policyHash rule priority hook event verdict enforced output kernel enforce name hash mode rules ended events alerts
  action tier pid start exe cgroup outcome denied descendantOf switched by lapsed ring records received missed unreadable failed reason path after line
  byte problem bytes missing limit segment from to entries first last unacknowledged unsealed`.split(/\s+/);
const COMPOUNDS = 'tags fields trust correlation aggregated pending tiers scope reload arguments of unpublished'.split(
  ' ',
);
const PROCESS = 'STRUCT(pid VARCHAR, "start" VARCHAR, exe VARCHAR, cmdline VARCHAR, uid VARCHAR, ancestors JSON)';
const CONTAINER = 'STRUCT(id VARCHAR, name VARCHAR, image VARCHAR, pod VARCHAR, namespace VARCHAR)';

const BODY = `STRUCT(${[
  ...SCALARS.map((name) => `"${name}" VARCHAR`),
  ...COMPOUNDS.map((name) => `"${name}" JSON`),
  `process ${PROCESS}`,
  `container ${CONTAINER}`,
].join(', ')})`;

const column = (name: string, type: string, sql: string, meaning: string): LogColumn => ({ name, type, meaning, sql });
const text = (name: string, meaning: string, member = name): LogColumn =>
  column(name, 'VARCHAR', `body."${member}"`, meaning);
const whole = (name: string, meaning: string, member = name): LogColumn =>
  column(name, 'BIGINT', `TRY_CAST(body."${member}" AS BIGINT)`, meaning);
const truth = (name: string, meaning: string, member = name): LogColumn =>
  column(name, 'BOOLEAN', `TRY_CAST(body."${member}" AS BOOLEAN)`, meaning);
const json = (name: string, meaning: string, member = name): LogColumn =>
  column(name, 'JSON', `body."${member}"`, meaning);
const instant = (name: string, meaning: string, sql: string): LogColumn =>
  column(name, 'TIMESTAMP_NS', `TRY_CAST(${sql} AS TIMESTAMP_NS)`, meaning);

const SEQ = column('seq', 'BIGINT', 'seq', "the entry's number");
const TIME = instant('time', 'when the entry was appended, UTC', 'time');
const LOGGED = instant('logged', 'when the entry was appended, UTC', 'time');
const HAPPENED = instant('time', 'when the event happened, UTC', 'body.time');

const FILE = `COALESCE(${FILE_FIELDS.map((name) => `body.fields->>'${name}'`).join(', ')})`;

const PRIORITY = 'TRY_CAST(body.priority AS priority)';

const ANCESTORS = 'STRUCT(pid BIGINT, exe VARCHAR, cmdline VARCHAR)[]';

const ofKind = (kind: string): string => `${LINES} WHERE kind = '${kind}'`;

const ENTRIES: LogTable = {
  name: 'entries',
  meaning: 'every entry of the log',
  from: BODIES,
  columns: [
    SEQ,
    TIME,
    column('kind', 'VARCHAR', 'kind', 'alert, enforcement, policy, start, stop, shed or loss'),
    column('body', 'JSON', 'body', 'what it says'),
  ],
};

const ALERTS: LogTable = {
  name: 'alerts',
  meaning: 'what rules matched',
  from: ofKind('alert'),
  columns: [
    SEQ,
    LOGGED,
    HAPPENED,
    text('id', '<host>-<seq>'),
    text('host', 'where it happened'),
    text('policy', "name of the rule's policy"),
    text('policy_hash', 'SHA-256 of the policy file', 'policyHash'),
    text('rule', 'name of the rule'),
    column('priority', 'priority', PRIORITY, PRIORITIES.join(', ')),
    column(
      'severity',
      'INTEGER',
      `CAST(enum_code(${PRIORITY}) AS INTEGER)`,
      "the priority as syslog's number, 0 the most urgent: severity <= 3 is error and more urgent",
    ),
    column('tags', 'VARCHAR[]', 'TRY_CAST(body.tags AS VARCHAR[])', "the rule's tags"),
    text('hook', 'the hook that saw it'),
    text('event', "the event's type"),
    text('verdict', 'deny or kill, for rules that do'),
    truth('enforced', 'whether the verdict took effect'),
    text('output', "the rule's output, filled in"),
    column('file', 'VARCHAR', FILE, 'the file, or connection, that the output names'),
    column('pid', 'BIGINT', 'TRY_CAST(body.process.pid AS BIGINT)', 'the process'),
    column('start', 'BIGINT', 'TRY_CAST(body.process."start" AS BIGINT)', 'when it started: nanoseconds since boot'),
    column('exe', 'VARCHAR', 'body.process.exe', 'path of its executable'),
    column('cmdline', 'VARCHAR', 'body.process.cmdline', 'its arguments'),
    column('uid', 'BIGINT', 'TRY_CAST(body.process.uid AS BIGINT)', 'effective user id'),
    column('parent', 'VARCHAR', "body.process.ancestors->0->>'exe'", "path of its parent's executable"),
    column('ancestors', ANCESTORS, `TRY_CAST(body.process.ancestors AS ${ANCESTORS})`, 'its ancestors, parent first'),
    column('container', 'VARCHAR', 'body.container.id', "the container's id"),
    column('container_name', 'VARCHAR', 'body.container.name', 'what its runtime calls it'),
    column('image', 'VARCHAR', 'body.container.image', 'what it is made from'),
    column('pod', 'VARCHAR', 'body.container.pod', 'its pod'),
    column('namespace', 'VARCHAR', 'body.container.namespace', "its pod's namespace"),
    json('fields', "the output's fields: fields->>'proc.name'"),
    json('trust', 'how far each can be trusted'),
    column(
      'matches',
      'BIGINT',
      "COALESCE(TRY_CAST(body.aggregated->>'count' AS BIGINT), 1)",
      'how many matches it stands for',
    ),
    json('aggregated', 'what it counts, where it counts'),
    json('correlation', 'the events that made it, where several did'),
    text('kernel', 'the kernel'),
  ],
};

const ENFORCEMENT: LogTable = {
  name: 'enforcement',
  meaning: 'attempts to deny or kill, those that came to nothing included, and switchings',
  from: ofKind('enforcement'),
  columns: [
    SEQ,
    LOGGED,
    HAPPENED,
    text('rule', 'whose rule'),
    text('policy', "the rule's policy"),
    text('policy_hash', 'SHA-256 of the policy file', 'policyHash'),
    text('mode', 'monitor or enforce'),
    text('action', 'deny or kill'),
    text('outcome', 'what became of it'),
    column('denied', 'BOOLEAN', 'TRY_CAST(body.denied AS BOOLEAN)', 'the call failed with EPERM'),
    text('hook', 'where'),
    text('tier', 'lsm, cgroup, exec, fanotify or signal'),
    text('event', "the event's type"),
    whole('pid', 'the process'),
    whole('start', 'when it started: nanoseconds since boot'),
    text('exe', 'path of its executable'),
    text('cgroup', 'its cgroup'),
    column('file', 'VARCHAR', "COALESCE(body.arguments->>'file', body.arguments->>'path')", 'what was asked for'),
    json('arguments', 'all that the hook was asked about'),
    json('fields', "the output's fields"),
    whole('descendant_of', 'the process for whose sake this one was killed', 'descendantOf'),
    text('switched', 'on or off: enforcement was switched'),
    text('switched_by', 'by whom', 'by'),
    whole('lapsed', 'nanoseconds for which nothing was enforced', 'lapsed'),
  ],
};

/** Policies, starts and stops with the number of the span that they belong to; a start and a stop begin a new one. */
const SPANS = `(SELECT *, count(*) FILTER (kind <> 'policy') OVER (ORDER BY seq) AS span FROM ${LINES} WHERE kind IN ('policy', 'start', 'stop'))`;
/** The start or stop that ends a span, of those that something ends. */
const ENDS = `(SELECT span - 1 AS span, seq AS stop_seq, time AS stop_time, kind = 'stop' AS stopped, body AS stop FROM ${SPANS} WHERE kind <> 'policy')`;
const POLICY_SPANS = `(SELECT each.seq, each.time, each.body, COALESCE(next_seq, stop_seq) AS until_seq, COALESCE(next_time, stop_time) AS until
  FROM (SELECT *, lead(seq) OVER again AS next_seq, lead(time) OVER again AS next_time FROM ${SPANS} WHERE kind = 'policy' WINDOW again AS (PARTITION BY span, body.name ORDER BY seq)) AS each
  LEFT JOIN ${ENDS} AS ends ON ends.span = each.span)`;

const POLICIES: LogTable = {
  name: 'policies',
  meaning: 'which policy was in force from which entry to which',
  from: `${POLICY_SPANS} WHERE body.ended IS NULL AND body.name IS NOT NULL`,
  columns: [
    column('seq', 'BIGINT', 'seq', 'the entry from which on it was in force'),
    TIME,
    column('until_seq', 'BIGINT', 'until_seq', 'the entry that ended it; null: still in force at the end of the log'),
    instant('until', 'when it ended, UTC', 'until'),
    text('name', 'its name'),
    text('hash', 'SHA-256 of its file'),
    text('mode', 'monitor or enforce'),
    whole('rules', 'how many rules it has'),
    json('reload', 'where it came by a reload: what that changed'),
  ],
};

const START_SPANS = `(SELECT each.seq, each.time, each.body, stop_seq, stop_time, stopped, stop
  FROM ${SPANS} AS each LEFT JOIN ${ENDS} AS ends ON ends.span = each.span WHERE each.kind = 'start')`;

const STARTS: LogTable = {
  name: 'starts',
  meaning: 'when the agent ran, and how it ended',
  from: START_SPANS,
  columns: [
    SEQ,
    TIME,
    column(
      'stopped',
      'BOOLEAN',
      'stopped',
      'true: it stopped; false: a start follows instead, so it was killed; null: neither, the log ends',
    ),
    column('stop_seq', 'BIGINT', 'stop_seq', 'its stop, or the start that follows'),
    instant('until', 'when that was, UTC', 'stop_time'),
    text('host', 'where'),
    text('kernel', 'the kernel'),
    truth('enforce', 'whether it ran with --enforce'),
    json('tiers', 'which ways to enforce were seen to act'),
    json('scope', 'what it watched'),
    column(
      'events',
      'BIGINT',
      'IF(stopped, TRY_CAST(stop.events AS BIGINT), NULL)',
      'records in its run, as its stop says',
    ),
    column(
      'alerts',
      'BIGINT',
      'IF(stopped, TRY_CAST(stop.alerts AS BIGINT), NULL)',
      'alerts in its run, as its stop says',
    ),
  ],
};

const LOSSES: LogTable = {
  name: 'losses',
  meaning: 'what was not seen, or is gone',
  from: ofKind('loss'),
  columns: [
    SEQ,
    TIME,
    text('reason', 'why, where it is said'),
    text('hook', 'at which hook'),
    text('ring', 'which ring buffer had no room'),
    whole('records', 'how many records, or entries'),
    whole('received', 'how many came in the same time'),
    whole('missed', 'runs that the kernel left out'),
    whole('unreadable', 'records that no program of the agent wrote'),
    whole('failed', 'records that something went wrong with'),
    whole('missing', 'entries that had been committed'),
    truth('unsealed', 'entries from first_entry on are not signed'),
    text('path', 'the torn segment'),
    whole('bytes', 'how much was torn off'),
    whole('first_entry', 'the first that the server does not have', 'from'),
    whole('last_entry', 'the last of them', 'to'),
    json('unpublished', 'alerts that a server does not get'),
    json('records_of', 'how many of which kind, rule and priority', 'of'),
  ],
};

const SHED: LogTable = {
  name: 'shed',
  meaning: 'what limits, full disks and retention left out, with exact counts',
  from: ofKind('shed'),
  columns: [
    SEQ,
    TIME,
    text('reason', 'size or age: a segment was removed; disk full, memory full'),
    text('policy', 'whose policy, of matches that are counted'),
    text('rule', 'whose rule'),
    text('cgroup', 'in which cgroup'),
    whole('records', 'how many'),
    text('limited_by', 'whose limit it was: rule or agent', 'limit'),
    json('aggregated', 'matches that are counted and stand in no alert yet'),
    text('segment', 'the removed segment'),
    whole('first_entry', 'its first entry', 'from'),
    whole('last_entry', 'its last entry', 'to'),
    whole('entries', 'how many entries it had'),
    whole('bytes', 'how long it was'),
    instant('first_time', 'time of the first, UTC', 'body.first'),
    instant('last_time', 'time of the last, UTC', 'body.last'),
    whole('unacknowledged', 'its alerts that no server had acknowledged'),
    json('records_of', 'how many of which kind, rule and priority', 'of'),
  ],
};

/** The tables of an audit log, in the order of the documents. */
export const AUDIT_TABLES: readonly LogTable[] = [ENTRIES, ALERTS, ENFORCEMENT, POLICIES, STARTS, LOSSES, SHED];

const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`;

const linesView = (name: string, files: readonly string[], body: string): string =>
  `CREATE VIEW ${name} AS SELECT * FROM read_json([${files.map(quoted).join(', ')}], format = 'newline_delimited', columns = {seq: 'BIGINT', time: 'VARCHAR', kind: 'VARCHAR', body: ${quoted(body)}})`;

/** Statements that make the tables over a log's files, whose names hold nothing that DuckDB takes for a pattern. */
export const tableStatements = (files: readonly string[]): readonly string[] => [
  `CREATE TYPE priority AS ENUM (${PRIORITIES.map(quoted).join(', ')})`,
  'CREATE SCHEMA source',
  linesView(LINES, files, BODY),
  linesView(BODIES, files, 'JSON'),
  ...AUDIT_TABLES.map(
    ({ name, columns, from }) =>
      `CREATE VIEW ${name} AS SELECT ${columns.map((each) => `${each.sql} AS "${each.name}"`).join(', ')} FROM ${from}`,
  ),
];
