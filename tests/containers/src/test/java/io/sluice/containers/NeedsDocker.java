package io.sluice.containers;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.testcontainers.DockerClientFactory;

/** Each test of the class is skipped, with the reason, where there is no Docker engine. */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(NeedsDocker.Condition.class)
@interface NeedsDocker {
  final class Condition implements ExecutionCondition {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
      // Of each test and not of the class, so that tests are counted.
      if (context.getTestMethod().isEmpty() || DockerClientFactory.instance().isDockerAvailable()) {
        return ConditionEvaluationResult.enabled("there is a Docker engine, or no test yet");
      }
      return ConditionEvaluationResult.disabled("no Docker engine answers, neither at DOCKER_HOST nor at its usual socket");
    }
  }
}
