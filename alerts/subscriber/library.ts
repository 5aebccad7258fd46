/** What `import ... from 'shrike/subscriber'` gives: the library for subscribers of one's own. */
export type { Alert, FieldJson } from '../alert.ts';
export { parseAlert } from '../schema.ts';
export type { Gap } from './arrivals.ts';
export type { AlertFilters } from './filters.ts';
export type { Position } from './position.ts';
export { type AlertSubscription, type SubscribeOptions, subscribeAlerts } from './subscribe.ts';
