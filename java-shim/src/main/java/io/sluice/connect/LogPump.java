package io.sluice.connect;

import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * Carries the native library's log lines into the worker's log: one thread for each loaded library, for the life of the JVM. Each time it
 * says which levels the worker wants now, which Connect's {@code /admin/loggers} may have changed.
 */
final class LogPump implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(LogPump.class);
  private static final String CONTEXT = "connector.context"; // Connect's own MDC key
  private static final int WAIT_MS = 1_000;
  private static final long BACK_OFF_MS = 1_000;

  /** Native.drainLogs, or a test's. */
  interface Source {
    byte[] drain(int timeoutMs, byte[] levels);
  }

  private final Source source;
  private final List<Logger> targets = new ArrayList<>(); // as the native side counts them

  LogPump(Source source) {
    this.source = source;
  }

  static void start() {
    Thread thread = new Thread(new LogPump(Native::drainLogs), "sluice-log");
    thread.setDaemon(true);
    thread.start();
  }

  @Override
  public void run() {
    try {
      while (true) {
        if (!pump()) {
          Thread.sleep(BACK_OFF_MS);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Whether the lines could be read. */
  boolean pump() {
    try {
      Reply reply = new Reply(source.drain(WAIT_MS, levels()));
      if (reply.status() != Reply.OK) {
        LOG.warn("Cannot read the native log: {}", reply.error());
        return false;
      }
      for (int left = reply.count(); left > 0; left--) {
        log(reply.u8(), reply.str(), reply.str(), reply.str());
      }
      for (int left = reply.count(); left > 0; left--) {
        targets.add(logger(reply.str()));
      }
      return true;
    } catch (RuntimeException e) {
      LOG.warn("Cannot read the native log", e);
      return false;
    }
  }

  private byte[] levels() {
    byte[] levels = new byte[targets.size()];
    for (int i = 0; i < levels.length; i++) {
      levels[i] = level(targets.get(i));
    }
    return levels;
  }

  private static byte level(Logger logger) {
    if (logger.isTraceEnabled()) {
      return 5;
    } else if (logger.isDebugEnabled()) {
      return 4;
    } else if (logger.isInfoEnabled()) {
      return 3;
    } else if (logger.isWarnEnabled()) {
      return 2;
    }
    return (byte) (logger.isErrorEnabled() ? 1 : 0);
  }

  private static Logger logger(String target) {
    return LoggerFactory.getLogger("io.sluice." + target.replace("::", "."));
  }

  private static void log(int level, String context, String target, String message) {
    Logger logger = logger(target);
    MDC.put(CONTEXT, context);
    try {
      switch (level) {
        case 1 -> logger.error(message);
        case 2 -> logger.warn(message);
        case 3 -> logger.info(message);
        case 4 -> logger.debug(message);
        default -> logger.trace(message);
      }
    } finally {
      MDC.remove(CONTEXT);
    }
  }
}
