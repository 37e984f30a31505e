package io.sluice.connect;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Hands batches to the native core and carries out what its replies ask of Connect. docs/crossing.md has the contract. */
public final class DeltaSinkTask extends SinkTask {
  private static final Logger LOG = LoggerFactory.getLogger(DeltaSinkTask.class);
  private static final int KEEP_PAUSED = 1;
  private static final int REQUEST_COMMIT = 2;
  /** After which Connect is to deliver a refused batch again: twice as long each time, because it logs each as an error. */
  private static final long RETRY_MS = 200;
  private static final long MAX_RETRY_MS = 1_600;

  /**
   * Goes with every offset that is given to Connect. Connect takes an offset that it was rewound to for one that it has committed, and
   * commits nothing that equals the last: without the text, a group that is behind the table would stay there until new records come.
   */
  static final String COMMITTED_BY = "sluice";

  private final Supplier<NativeCalls> library;
  private final AtomicLong handle = new AtomicLong(); // 0: not started, or stopped
  private final Partitions partitions = new Partitions();
  private final Set<TopicPartition> open = new HashSet<>();
  private final Set<TopicPartition> leftOut = new HashSet<>(); // whose records were left out of the last batch: consumed, as Connect sees it
  private NativeCalls calls;
  private Origin origin;
  private SegmentEncoder encoder;
  private ErrantReports errantReports; // null: bad records fail the task
  private ShownMetrics metrics;
  private long retryMs = RETRY_MS;
  private boolean paused;
  private boolean unreported; // the core took a batch whose bad records are not all reported

  public DeltaSinkTask() {
    this(NativeLibrary::load);
  }

  DeltaSinkTask(Supplier<NativeCalls> library) {
    this.library = library;
  }

  @Override
  public String version() {
    return Version.CURRENT;
  }

  @Override
  public void start(Map<String, String> settings) {
    calls = library.get();
    origin = Origin.ofThisWorker();
    ErrantRecordReporter reporter = reporter();
    errantReports = reporter == null ? null : new ErrantReports(reporter, origin);
    Reply reply = new Reply(calls.start(Request.start(reporter != null, settings)));
    if (reply.status() == Reply.CONFIG) {
      throw new ConfigException(reply.error());
    }
    handle.set(reply.demandOk().i64());
    InputMode mode = InputMode.of(reply.u8());
    Needs needs = Needs.of(reply.u8());
    encoder = new SegmentEncoder(partitions, origin, mode, needs, new Registry(calls, handle.get()));
    metrics = ShownMetrics.ofTask(context, settings.get("name"), settings.get(DeltaSinkConnector.TASK_ID), this::stats);
    refreshMetrics();
  }

  @Override
  public void open(Collection<TopicPartition> opened) {
    open.addAll(opened);
    carryOut(new Reply(calls.open(handle.get(), Request.open(opened, partitions))).demandOk());
    refreshMetrics();
  }

  @Override
  public void put(Collection<SinkRecord> batch) {
    leftOut.clear(); // Connect has gone back
    Set<TopicPartition> untold = untold();
    Collection<SinkRecord> records = untold.isEmpty() ? batch : without(untold, batch);
    encoder.encode(records);
    if (errantReports == null && !encoder.refused().isEmpty()) {
      throw new DataException(encoder.refused().get(0).message(origin));
    }
    Reply reply = new Reply(calls.put(handle.get(), encoder.meta(), encoder.buffers()));
    if (reply.status() == Reply.RETRIABLE) {
      context.timeout(retryMs);
      retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
      throw new RetriableException(reply.error());
    }
    reply.demandOk();
    retryMs = RETRY_MS;
    unreported = true;
    int nextCallMs = carryOut(reply);
    reportBadRecords(records, reply);
    unreported = false;
    if (!untold.isEmpty()) {
      LOG.info("Connect has assigned {} without telling of it", untold);
      open(untold);
    }
    context.timeout(nextCallMs);
  }

  /** Never throws: Connect would rewind and go on. The core keeps its error and gives it to the next {@link #put}. */
  @Override
  public Map<TopicPartition, OffsetAndMetadata> preCommit(Map<TopicPartition, OffsetAndMetadata> positions) {
    try {
      refreshMetrics(); // now and then: tables come and go
      return durable(positions);
    } catch (Throwable e) { // an Error too
      LOG.error("No offsets to commit", e);
      return Map.of();
    }
  }

  @Override
  public void close(Collection<TopicPartition> closed) {
    open.removeAll(closed);
    if (isDead()) {
      return;
    }
    int[] ids = closed.stream().mapToInt(partitions::id).filter(id -> id != Partitions.UNKNOWN).toArray();
    logError("close", calls.close(handle.get(), ids));
    refreshMetrics();
  }

  /** Also called after a failed start, and more than once. */
  @Override
  public void stop() {
    if (metrics != null) {
      metrics.close();
      metrics = null;
    }
    long stopped = handle.getAndSet(0);
    if (stopped != 0) {
      logError("stop", calls.stop(stopped));
    }
  }

  /**
   * Partitions that are assigned and were never opened. With the cooperative protocol a consumer that is woken up (a connector that is
   * paused or resumed) while it tells of new partitions tells again, and leaves those out.
   */
  private Set<TopicPartition> untold() {
    Set<TopicPartition> assigned = context.assignment();
    if (open.containsAll(assigned)) {
      return Set.of();
    }
    Set<TopicPartition> untold = new HashSet<>(assigned);
    untold.removeAll(open);
    return untold;
  }

  /** The batch without their records, which come again: the core says where from once it has opened them. */
  private Collection<SinkRecord> without(Set<TopicPartition> untold, Collection<SinkRecord> batch) {
    List<SinkRecord> others = new ArrayList<>(batch.size());
    for (SinkRecord record : batch) {
      TopicPartition place = new TopicPartition(origin.topic(record), origin.partition(record));
      if (!untold.contains(place)) {
        others.add(record);
      } else if (leftOut.add(place)) {
        context.offset(place, origin.offset(record));
      }
    }
    return others;
  }

  private Map<TopicPartition, OffsetAndMetadata> durable(Map<TopicPartition, OffsetAndMetadata> positions) {
    if (isDead()) {
      return Map.of();
    }
    int[] ids = new int[positions.size()];
    long[] next = new long[positions.size()];
    int count = 0;
    for (Map.Entry<TopicPartition, OffsetAndMetadata> position : positions.entrySet()) {
      int id = partitions.id(position.getKey());
      if (id != Partitions.UNKNOWN && !leftOut.contains(position.getKey())) {
        ids[count] = id;
        next[count++] = position.getValue().offset();
      }
    }
    Reply reply = new Reply(calls.preCommit(handle.get(), Arrays.copyOf(ids, count), Arrays.copyOf(next, count)));
    if (reply.status() != Reply.OK) {
      LOG.error("No offsets to commit: {}", reply.error());
      return Map.of();
    }
    Map<TopicPartition, OffsetAndMetadata> durable = new HashMap<>();
    for (int left = reply.count(); left > 0; left--) {
      TopicPartition partition = partitions.byId(reply.i32());
      durable.put(partition, new OffsetAndMetadata(reply.i64(), COMMITTED_BY));
    }
    durable.keySet().retainAll(positions.keySet());
    return durable;
  }

  /** Not started, stopped, or failed with bad records unreported: then a further call could let their offsets pass. */
  private boolean isDead() {
    return handle.get() == 0 || unreported;
  }

  /** The milliseconds after which the next call is wanted. */
  private int carryOut(Reply actions) {
    int flags = actions.u8();
    int nextCallMs = actions.i32();
    Set<TopicPartition> assigned = context.assignment();
    for (int left = actions.count(); left > 0; left--) {
      TopicPartition partition = partitions.byId(actions.i32());
      long offset = actions.i64();
      if (assigned.contains(partition)) { // Connect refuses to seek or pause any other
        context.offset(partition, offset);
      }
    }
    TopicPartition[] all = assigned.toArray(new TopicPartition[0]);
    if ((flags & KEEP_PAUSED) != 0) {
      context.pause(all); // each time: partitions may have been added since
      paused = true;
    } else if (paused) {
      context.resume(all);
      paused = false;
    }
    if ((flags & REQUEST_COMMIT) != 0) {
      context.requestCommit();
    }
    return nextCallMs;
  }

  private void reportBadRecords(Collection<SinkRecord> batch, Reply reply) {
    int count = reply.count();
    if (errantReports == null) {
      if (count > 0) {
        throw Reply.invalid("bad rows although there is no errant-record reporter");
      }
      return;
    }
    List<SinkRecord> records = batch instanceof List<SinkRecord> list ? list : new ArrayList<>(batch);
    encoder.refused().forEach(refused -> errantReports.report(refused.record, refused.message(origin)));
    for (; count > 0; count--) {
      int seq = reply.i32();
      if (seq < 0 || seq >= records.size()) {
        throw Reply.invalid("bad row " + seq + " of " + records.size());
      }
      errantReports.report(records.get(seq), reply.str(), reply.str(), reply.str());
    }
    errantReports.await();
  }

  private ErrantRecordReporter reporter() {
    try {
      return context.errantRecordReporter();
    } catch (NoSuchMethodError | NoClassDefFoundError e) {
      LOG.info("This worker is older than Kafka 2.6 and has no errant-record reporter: a bad record fails the task");
      return null;
    }
  }

  private void refreshMetrics() {
    if (metrics != null) {
      metrics.refresh();
      NativeLibrary.refreshMetrics();
    }
  }

  /** Called by JMX, from any thread. */
  private byte[] stats() {
    return calls.stats(handle.get());
  }

  private static void logError(String call, byte[] bytes) {
    try {
      new Reply(bytes).demandOk();
    } catch (RuntimeException e) {
      LOG.error("Native {} failed", call, e);
    }
  }
}
