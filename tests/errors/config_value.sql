SET 'execution.checkpointing.interval' = 'often';
