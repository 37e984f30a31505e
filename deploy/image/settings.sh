# shellcheck shell=bash
# Settings of Kafka's programs from the environment, for `worker` and `watch`.

# settings_of PREFIX BEFORE: a line for each variable with the prefix. With CONNECT_, CONNECT_GROUP_ID=x becomes group.id=x, with
# BEFORE in front of it.
settings_of() {
  local prefix=$1 before=$2 variable name value
  for variable in $(compgen -e "$prefix"); do
    name=${variable#"$prefix"}
    name=${name,,}
    value=${!variable//\\/\\\\}
    printf '%s%s=%s\n' "$before" "${name//_/.}" "${value//$'\n'/\\n}"
  done
}
