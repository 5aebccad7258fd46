export { isCertain, outcomes, truthOf } from './evaluate.ts';
export { type Fact, type Facts, is, listOf, type Scalar } from './fact.ts';
export { type FalcoRule, readFalcoFiles } from './falco-files.ts';
export { type Names, substitute } from './names.ts';
export { parse } from './parser.ts';
export { print } from './print.ts';
export * from './syntax.ts';
