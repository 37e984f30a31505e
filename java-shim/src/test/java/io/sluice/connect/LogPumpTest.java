package io.sluice.connect;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.Logger;
import org.apache.logging.log4j.core.appender.AbstractAppender;
import org.apache.logging.log4j.core.config.Configurator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.MDC;

class LogPumpTest {
  private final List<String> logged = new ArrayList<>();
  private final AbstractAppender appender =
      new AbstractAppender("test", null, null, true, null) {
        @Override
        public void append(LogEvent event) {
          logged.add(event.getLevel() + " " + event.getLoggerName() + " " + event.getContextData().getValue("connector.context") + event.getMessage().getFormattedMessage());
        }
      };
  private final Logger root = (Logger) LogManager.getLogger("io.sluice");

  @BeforeEach
  void listen() {
    Configurator.setLevel("io.sluice", Level.TRACE);
    appender.start();
    root.addAppender(appender);
  }

  @AfterEach
  void leave() {
    root.removeAppender(appender);
    Configurator.setLevel("io.sluice", Level.OFF);
  }

  @Test
  void lines_go_to_the_loggers_of_their_targets() {
    ReplyBytes reply = ReplyBytes.ok().i32(5);
    for (int level = 1; level <= 5; level++) {
      reply.u8(level).str("[flights|task-0] ").str("sluice_core::task").str("line {} " + level);
    }
    assertTrue(new LogPump((timeoutMs, levels) -> reply.i32(0).done()).pump());
    String line = " io.sluice.sluice_core.task [flights|task-0] line {} ";
    assertEquals(List.of("ERROR" + line + 1, "WARN" + line + 2, "INFO" + line + 3, "DEBUG" + line + 4, "TRACE" + line + 5), logged);
    assertNull(MDC.get("connector.context"));
  }

  /** As Connect's /admin/loggers sets them, while the worker runs. */
  @Test
  void the_levels_that_the_worker_wants_now_go_with_each_call() {
    List<byte[]> asked = new ArrayList<>();
    List<List<String>> told = new ArrayList<>(List.of(List.of("sluice_core", "sluice_delta::commit"), List.of("sluice_core::task"), List.of()));
    LogPump pump =
        new LogPump(
            (timeoutMs, levels) -> {
              asked.add(levels);
              ReplyBytes reply = ReplyBytes.ok().i32(0).i32(told.get(0).size());
              told.remove(0).forEach(reply::str);
              return reply.done();
            });
    pump.pump();
    Configurator.setLevel("io.sluice.sluice_core", Level.WARN);
    pump.pump();
    Configurator.setLevel("io.sluice.sluice_core.task", Level.OFF);
    Configurator.setLevel("io.sluice.sluice_core", Level.DEBUG);
    pump.pump();
    Configurator.setLevel("io.sluice.sluice_core.task", (Level) null);
    Configurator.setLevel("io.sluice.sluice_core", (Level) null);
    assertArrayEquals(new byte[0], asked.get(0), "it knows of no target yet");
    assertArrayEquals(new byte[] {2, 5}, asked.get(1));
    assertArrayEquals(new byte[] {4, 5, 0}, asked.get(2));
  }

  @Test
  void a_failing_source_is_told_and_does_not_end_the_pump() {
    assertFalse(new LogPump((timeoutMs, levels) -> ReplyBytes.error(Reply.FATAL, ErrorCode.NATIVE_PANIC, "boom")).pump());
    assertFalse(new LogPump((timeoutMs, levels) -> null).pump());
    assertEquals(2, logged.size());
    assertTrue(logged.get(0).contains("boom"), logged.toString());
  }
}
