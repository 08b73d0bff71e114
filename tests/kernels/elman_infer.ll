; ModuleID = "kernel"
target triple = "unknown-unknown-unknown"
target datalayout = ""

define void @"run"(ptr %".1", i64 %".2", i64 %".3")
{
.5:
  %".6" = getelementptr i64, ptr %".1", i64 0
  %".7" = load i64, ptr %".6"
  %".8" = getelementptr i64, ptr %".1", i64 1
  %".9" = load i64, ptr %".8"
  %".10" = getelementptr i64, ptr %".1", i64 2
  %".11" = load i64, ptr %".10"
  %".12" = getelementptr i64, ptr %".1", i64 3
  %".13" = load i64, ptr %".12"
  %".14" = getelementptr i64, ptr %".1", i64 4
  %".15" = load i64, ptr %".14"
  %".16" = getelementptr i64, ptr %".1", i64 5
  %".17" = load i64, ptr %".16"
  %".18" = getelementptr i64, ptr %".1", i64 6
  %".19" = load i64, ptr %".18"
  %".20" = getelementptr i64, ptr %".1", i64 7
  %".21" = load i64, ptr %".20"
  %".22" = getelementptr i64, ptr %".1", i64 8
  %".23" = load i64, ptr %".22"
  %".24" = inttoptr i64 %".23" to ptr
  %".25" = getelementptr i64, ptr %".1", i64 9
  %".26" = load i64, ptr %".25"
  %".27" = inttoptr i64 %".26" to ptr
  %".28" = getelementptr i64, ptr %".1", i64 10
  %".29" = load i64, ptr %".28"
  %".30" = inttoptr i64 %".29" to ptr
  %".31" = getelementptr i64, ptr %".1", i64 11
  %".32" = load i64, ptr %".31"
  %".33" = inttoptr i64 %".32" to ptr
  %".34" = getelementptr i64, ptr %".1", i64 12
  %".35" = load i64, ptr %".34"
  %".36" = inttoptr i64 %".35" to ptr
  %".37" = inttoptr i64 %".9" to ptr
  %".38" = inttoptr i64 %".11" to ptr
  br label %"head"
head:
  %".40" = phi  i64 [%".2", %".5"], [%".240", %"end.1"]
  %".41" = icmp slt i64 %".40", %".7"
  br i1 %".41", label %"body", label %"end"
body:
  %".43" = mul i64 %".40", 4
  %".44" = getelementptr i64, ptr %".37", i64 %".43"
  %".45" = load i64, ptr %".44"
  %".46" = add i64 %".43", 1
  %".47" = getelementptr i64, ptr %".37", i64 %".46"
  %".48" = load i64, ptr %".47"
  %".49" = add i64 %".43", 2
  %".50" = getelementptr i64, ptr %".37", i64 %".49"
  %".51" = load i64, ptr %".50"
  %".52" = inttoptr i64 %".51" to ptr
  br label %"head.1"
end:
  ret void
head.1:
  %".54" = phi  i64 [0, %"body"], [%".238", %"end.3"]
  %".55" = icmp slt i64 %".54", %".48"
  br i1 %".55", label %"body.1", label %"end.1"
body.1:
  %".57" = getelementptr i64, ptr %".52", i64 %".54"
  %".58" = load i64, ptr %".57"
  %".59" = mul i64 %".54", %".13"
  %".60" = and i64 %".54", 1
  %".61" = xor i64 %".60", 1
  %".62" = mul i64 %".60", %".19"
  %".63" = mul i64 %".61", %".19"
  %".64" = mul i64 0, %".19"
  %".65" = add i64 %".64", %".45"
  %".66" = getelementptr i64, ptr %".36", i64 %".65"
  br label %"head.2"
end.1:
  %".240" = add i64 %".40", %".3"
  br label %"head"
head.2:
  %".68" = phi  i64 [0, %"body.1"], [%".82", %"body.2"]
  %".69" = icmp slt i64 %".68", %".58"
  br i1 %".69", label %"body.2", label %"end.2"
body.2:
  %".71" = add i64 %".45", %".68"
  %".72" = getelementptr i64, ptr %".38", i64 %".71"
  %".73" = load i64, ptr %".72"
  %".74" = add i64 %".73", %".59"
  %".75" = add i64 %".74", %".15"
  %".76" = mul i64 %".75", 5
  %".77" = getelementptr float, ptr %".30", i64 %".76"
  %".78" = getelementptr float, ptr %".77", i64 0
  %".79" = ptrtoint ptr %".78" to i64
  %".80" = getelementptr i64, ptr %".66", i64 %".68"
  store i64 %".79", ptr %".80"
  %".82" = add i64 %".68", 1
  br label %"head.2"
end.2:
  br label %"head.3"
head.3:
  %".85" = phi  i64 [0, %"end.2"], [%".236", %"end.5"]
  %".86" = icmp slt i64 %".85", 1
  br i1 %".86", label %"body.3", label %"end.3"
body.3:
  %".88" = getelementptr i64, ptr %".1", i64 13
  %".89" = load i64, ptr %".88"
  %".90" = inttoptr i64 %".89" to ptr
  %".91" = add i64 %".45", 0
  %".92" = mul i64 %".91", 8
  %".93" = getelementptr float, ptr %".33", i64 %".92"
  br label %"head.4"
end.3:
  %".238" = add i64 %".54", 1
  br label %"head.1"
head.4:
  %".95" = phi  i64 [0, %"body.3"], [%".110", %"body.4"]
  %".96" = icmp slt i64 %".95", 1
  br i1 %".96", label %"body.4", label %"end.4"
body.4:
  %".98" = mul i64 %".85", 2
  %".99" = add i64 %".95", 0
  %".100" = mul i64 %".99", 2
  %".101" = add i64 %".98", %".100"
  %".102" = mul i64 %".101", 20
  %".103" = getelementptr float, ptr %".90", i64 %".102"
  %".104" = mul i64 %".95", 0
  %".105" = add i64 %".104", 0
  %".106" = getelementptr float, ptr %".93", i64 %".105"
  %".107" = mul i64 0, 8
  %".108" = getelementptr float, ptr %".103", i64 %".107"
  call void @"product_f32_4_32_2x1"(ptr %".66", i64 0, i64 %".58", ptr %".106", i64 8, i64 4, i64 0, ptr %".108", i64 5)
  %".110" = add i64 %".95", 1
  br label %"head.4"
end.4:
  %".112" = mul i64 %".85", 2
  %".113" = sub i64 1, %".112"
  %".114" = icmp slt i64 %".113", 2
  %".115" = select  i1 %".114", i64 %".113", i64 2
  br label %"head.5"
head.5:
  %".117" = phi  i64 [0, %"end.4"], [%".234", %"end.6.endif"]
  %".118" = icmp slt i64 %".117", %".58"
  br i1 %".118", label %"body.5", label %"end.5"
body.5:
  %".120" = add i64 %".45", %".117"
  %".121" = getelementptr i64, ptr %".38", i64 %".120"
  %".122" = load i64, ptr %".121"
  %".123" = add i64 %".122", %".59"
  %".124" = mul i64 %".123", 32
  %".125" = getelementptr float, ptr %".27", i64 %".124"
  %".126" = add i64 %".45", %".117"
  %".127" = getelementptr i64, ptr %".38", i64 %".126"
  %".128" = load i64, ptr %".127"
  %".129" = add i64 %".128", %".59"
  %".130" = add i64 %".129", %".17"
  %".131" = mul i64 %".130", 5
  %".132" = getelementptr float, ptr %".30", i64 %".131"
  %".133" = add i64 %".45", %".117"
  %".134" = mul i64 %".133", 8
  %".135" = getelementptr float, ptr %".33", i64 %".134"
  br label %"head.6"
end.5:
  %".236" = add i64 %".85", 1
  br label %"head.3"
head.6:
  %".137" = phi  i64 [0, %"body.5"], [%".185", %"body.6"]
  %".138" = icmp slt i64 %".137", %".115"
  br i1 %".138", label %"body.6", label %"end.6"
body.6:
  %".140" = add i64 %".112", %".137"
  %".141" = mul i64 %".140", 4
  %".142" = getelementptr float, ptr %".125", i64 0
  %".143" = getelementptr float, ptr %".142", i64 %".141"
  %".144" = load <4 x float>, ptr %".143", align 4
  %".145" = mul i64 %".137", 4
  %".146" = add i64 %".145", 0
  %".147" = getelementptr float, ptr %".135", i64 %".146"
  %".148" = load <4 x float>, ptr %".147", align 4
  %".149" = fadd <4 x float> %".144", %".148"
  %".150" = getelementptr float, ptr %".24", i64 0
  %".151" = getelementptr float, ptr %".150", i64 %".141"
  %".152" = load <4 x float>, ptr %".151", align 4
  %".153" = fadd <4 x float> %".149", %".152"
  %".154" = bitcast <4 x float> %".153" to <4 x i32>
  %".155" = or <4 x i32> %".154", <i32 2147483648, i32 2147483648, i32 2147483648, i32 2147483648>
  %".156" = bitcast <4 x i32> %".155" to <4 x float>
  %".157" = fcmp ogt <4 x float> <float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000>, %".156"
  %".158" = select  <4 x i1> %".157", <4 x float> <float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000>, <4 x float> %".156"
  %".159" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".158", <4 x float> <float 0x4007154760000000, float 0x4007154760000000, float 0x4007154760000000, float 0x4007154760000000>, <4 x float> <float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000>)
  %".160" = fsub <4 x float> %".159", <float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000>
  %".161" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".160", <4 x float> <float 0xbfd62e4300000000, float 0xbfd62e4300000000, float 0xbfd62e4300000000, float 0xbfd62e4300000000>, <4 x float> %".158")
  %".162" = fmul <4 x float> %".161", %".161"
  %".163" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".161", <4 x float> <float 0x3fe5554b00000000, float 0x3fe5554b00000000, float 0x3fe5554b00000000, float 0x3fe5554b00000000>, <4 x float> <float 0x3fefffffe0000000, float 0x3fefffffe0000000, float 0x3fefffffe0000000, float 0x3fefffffe0000000>)
  %".164" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".161", <4 x float> <float 0x3fc1227b00000000, float 0x3fc1227b00000000, float 0x3fc1227b00000000, float 0x3fc1227b00000000>, <4 x float> <float 0x3fd5556740000000, float 0x3fd5556740000000, float 0x3fd5556740000000, float 0x3fd5556740000000>)
  %".165" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".162", <4 x float> <float 0x3fa6bec100000000, float 0x3fa6bec100000000, float 0x3fa6bec100000000, float 0x3fa6bec100000000>, <4 x float> %".164")
  %".166" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".162", <4 x float> %".165", <4 x float> %".163")
  %".167" = bitcast <4 x float> %".159" to <4 x i32>
  %".168" = shl <4 x i32> %".167", <i32 23, i32 23, i32 23, i32 23>
  %".169" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".162", <4 x float> %".166", <4 x float> %".161")
  %".170" = bitcast <4 x i32> %".168" to <4 x float>
  %".171" = fneg <4 x float> %".170"
  %".172" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".170", <4 x float> <float 0xbfe0000000000000, float 0xbfe0000000000000, float 0xbfe0000000000000, float 0xbfe0000000000000>, <4 x float> <float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000>)
  %".173" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".171", <4 x float> %".169", <4 x float> %".172")
  %".174" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".170", <4 x float> <float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000>, <4 x float> <float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000>)
  %".175" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".170", <4 x float> %".169", <4 x float> %".174")
  %".176" = fdiv <4 x float> %".173", %".175"
  %".177" = bitcast <4 x float> %".176" to <4 x i32>
  %".178" = bitcast <4 x float> %".153" to <4 x i32>
  %".179" = and <4 x i32> %".178", <i32 2147483648, i32 2147483648, i32 2147483648, i32 2147483648>
  %".180" = or <4 x i32> %".177", %".179"
  %".181" = bitcast <4 x i32> %".180" to <4 x float>
  %".182" = getelementptr float, ptr %".132", i64 0
  %".183" = getelementptr float, ptr %".182", i64 %".141"
  store <4 x float> %".181", ptr %".183", align 4
  %".185" = add i64 %".137", 1
  br label %"head.6"
end.6:
  %".187" = icmp eq i64 %".85", 0
  br i1 %".187", label %"end.6.if", label %"end.6.endif"
end.6.if:
  %".189" = mul i64 1, 4
  %".190" = getelementptr float, ptr %".125", i64 0
  %".191" = getelementptr float, ptr %".190", i64 %".189"
  %".192" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".191", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".193" = mul i64 1, 4
  %".194" = add i64 %".193", 0
  %".195" = getelementptr float, ptr %".135", i64 %".194"
  %".196" = load <4 x float>, ptr %".195", align 4
  %".197" = fadd <4 x float> %".192", %".196"
  %".198" = getelementptr float, ptr %".24", i64 0
  %".199" = getelementptr float, ptr %".198", i64 %".189"
  %".200" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".199", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".201" = fadd <4 x float> %".197", %".200"
  %".202" = bitcast <4 x float> %".201" to <4 x i32>
  %".203" = or <4 x i32> %".202", <i32 2147483648, i32 2147483648, i32 2147483648, i32 2147483648>
  %".204" = bitcast <4 x i32> %".203" to <4 x float>
  %".205" = fcmp ogt <4 x float> <float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000>, %".204"
  %".206" = select  <4 x i1> %".205", <4 x float> <float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000>, <4 x float> %".204"
  %".207" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".206", <4 x float> <float 0x4007154760000000, float 0x4007154760000000, float 0x4007154760000000, float 0x4007154760000000>, <4 x float> <float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000>)
  %".208" = fsub <4 x float> %".207", <float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000>
  %".209" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".208", <4 x float> <float 0xbfd62e4300000000, float 0xbfd62e4300000000, float 0xbfd62e4300000000, float 0xbfd62e4300000000>, <4 x float> %".206")
  %".210" = fmul <4 x float> %".209", %".209"
  %".211" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".209", <4 x float> <float 0x3fe5554b00000000, float 0x3fe5554b00000000, float 0x3fe5554b00000000, float 0x3fe5554b00000000>, <4 x float> <float 0x3fefffffe0000000, float 0x3fefffffe0000000, float 0x3fefffffe0000000, float 0x3fefffffe0000000>)
  %".212" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".209", <4 x float> <float 0x3fc1227b00000000, float 0x3fc1227b00000000, float 0x3fc1227b00000000, float 0x3fc1227b00000000>, <4 x float> <float 0x3fd5556740000000, float 0x3fd5556740000000, float 0x3fd5556740000000, float 0x3fd5556740000000>)
  %".213" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".210", <4 x float> <float 0x3fa6bec100000000, float 0x3fa6bec100000000, float 0x3fa6bec100000000, float 0x3fa6bec100000000>, <4 x float> %".212")
  %".214" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".210", <4 x float> %".213", <4 x float> %".211")
  %".215" = bitcast <4 x float> %".207" to <4 x i32>
  %".216" = shl <4 x i32> %".215", <i32 23, i32 23, i32 23, i32 23>
  %".217" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".210", <4 x float> %".214", <4 x float> %".209")
  %".218" = bitcast <4 x i32> %".216" to <4 x float>
  %".219" = fneg <4 x float> %".218"
  %".220" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".218", <4 x float> <float 0xbfe0000000000000, float 0xbfe0000000000000, float 0xbfe0000000000000, float 0xbfe0000000000000>, <4 x float> <float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000>)
  %".221" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".219", <4 x float> %".217", <4 x float> %".220")
  %".222" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".218", <4 x float> <float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000>, <4 x float> <float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000>)
  %".223" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".218", <4 x float> %".217", <4 x float> %".222")
  %".224" = fdiv <4 x float> %".221", %".223"
  %".225" = bitcast <4 x float> %".224" to <4 x i32>
  %".226" = bitcast <4 x float> %".201" to <4 x i32>
  %".227" = and <4 x i32> %".226", <i32 2147483648, i32 2147483648, i32 2147483648, i32 2147483648>
  %".228" = or <4 x i32> %".225", %".227"
  %".229" = bitcast <4 x i32> %".228" to <4 x float>
  %".230" = getelementptr float, ptr %".132", i64 0
  %".231" = getelementptr float, ptr %".230", i64 %".189"
  call void @"llvm.masked.store.v4f32.p0"(<4 x float> %".229", ptr %".231", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>)
  br label %"end.6.endif"
end.6.endif:
  %".234" = add i64 %".117", 1
  br label %"head.5"
}

declare void @"product_f32_4_32_2x1"(ptr %".1", i64 %".2", i64 %".3", ptr %".4", i64 %".5", i64 %".6", i64 %".7", ptr %".8", i64 %".9")

declare <4 x float> @"llvm.fma.v4f32"(<4 x float> %".1", <4 x float> %".2", <4 x float> %".3")

declare <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".1", i32 %".2", <4 x i1> %".3", <4 x float> %".4")

declare void @"llvm.masked.store.v4f32.p0"(<4 x float> %".1", ptr %".2", i32 %".3", <4 x i1> %".4")
