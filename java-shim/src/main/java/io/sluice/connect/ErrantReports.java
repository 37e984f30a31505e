package io.sluice.connect;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkRecord;

/** Hands bad records to Connect's reporter, all of a batch at once, and waits for them at its end. */
final class ErrantReports {
  private final ErrantRecordReporter reporter;
  private final Origin origin;
  private final List<Future<Void>> pending = new ArrayList<>();

  ErrantReports(ErrantRecordReporter reporter, Origin origin) {
    this.reporter = reporter;
    this.origin = origin;
  }

  void report(SinkRecord record, String code, String fieldPath, String reason) {
    report(record, Errors.badRecord(record, origin, code, fieldPath, reason));
  }

  /** Returns when all reports are durable. */
  void await() {
    try {
      for (Future<Void> report : pending) {
        report.get();
      }
    } catch (ExecutionException e) {
      throw failure(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw failure(e);
    } catch (RuntimeException e) { // cancelled
      throw failure(e);
    } finally {
      pending.clear();
    }
  }

  /** Takes the record itself, not a copy: Connect finds the original bytes by it. */
  void report(SinkRecord record, String message) {
    try {
      pending.add(reporter.report(record, new DataException(message)));
    } catch (RuntimeException e) {
      throw failure(e);
    }
  }

  private static ConnectException failure(Throwable cause) {
    return new ConnectException(Errors.text(ErrorCode.ERRANT_REPORT_FAILED, String.valueOf(cause)), cause);
  }
}
