/** Tracepoints with arguments that may be null, by slot: what kernel 6.18 wants checked (raw_tp_null_args of kernel/bpf/btf.c). */
const FIRST =
  'tmigr_update_events mm_collapse_huge_page_isolate mm_page_alloc mm_page_alloc_zone_locked mm_page_pcpu_drain ' +
  'xfs_inodegc_flush xfs_inodegc_push xfs_inodegc_start xfs_inodegc_stop xfs_inodegc_queue xfs_inodegc_throttle ' +
  'xfs_fs_sync_fs xfs_blockgc_start xfs_blockgc_stop xfs_blockgc_worker xfs_blockgc_flush_all ' +
  'xfs_defer_create_intent xfs_defer_cancel_list xfs_defer_pending_finish xfs_defer_pending_abort ' +
  'xfs_defer_relog_intent xfs_defer_isolate_paused xfs_defer_item_pause xfs_defer_item_unpause ' +
  'xfs_defer_add_item xfs_defer_cancel_item xfs_defer_finish_item tcp_send_reset';
const SECOND =
  'sched_pi_setprio mm_khugepaged_scan_pmd mm_khugepaged_scan_file mm_khugepaged_collapse_file ' +
  'writeback_dirty_folio folio_wait_writeback posix_lock_inode fcntl_setlk locks_remove_posix flock_lock_inode ' +
  'break_lease_noblock break_lease_block break_lease_unblock generic_delete_lease time_out_leases ' +
  'ext4_mballoc_discard ext4_mballoc_free hugetlbfs_alloc_inode xfs_ioc_free_eofblocks xfs_blockgc_free_space ' +
  'tcp_send_reset';
const THIRD =
  'sched_stick_numa sched_swap_numa xfs_btree_updkeys xfs_btree_overlapped_query_range tcp_sendmsg_locked ' +
  'fib_table_lookup';

const BY_SLOT: readonly ReadonlySet<string>[] = [
  FIRST,
  SECOND,
  THIRD,
  'kfree_skb qdisc_dequeue',
  'xfs_map_blocks_found xfs_map_blocks_alloc',
].map((names) => new Set(names.split(' ')));

/** Whether programs of a tracepoint must check an argument, counted from 0, before they follow it. */
export const maybeNull = (tracepoint: string, slot: number): boolean => BY_SLOT[slot]?.has(tracepoint) ?? false;
